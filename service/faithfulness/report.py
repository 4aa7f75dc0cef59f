"""A receipt in plain types, as it travels."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.faithfulness.chance import LEAST_DEVIATION
from service.faithfulness.curve import LEAST_PROBABILITY, removal_counts
from service.faithfulness.measures.measure import MEASURES
from service.faithfulness.operators.registry import OPERATORS
from service.faithfulness.panel import Panel
from service.faithfulness.protocol import Protocol
from service.faithfulness.receipt import Receipt
from service.faithfulness.sparseness import entropy_share, gini
from service.faithfulness.summary import Test

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


def report(receipt: Receipt) -> dict[str, Json]:
    """Write a receipt in plain types, numbers to six significant digits; see docs/receipt.md for what each number means."""
    return {
        "protocol": _protocol(receipt.protocol, receipt.seed),
        "verdict": receipt.verdict.value,
        "reason": receipt.judgement.reason,
        "operators": [
            _operator(
                panel,
                counted=panel.operator.name in receipt.counted,
                circular=panel.operator.name in receipt.made_with,
            )
            for panel in receipt.panels
        ],
        "controls": _controls(receipt),
        "summary": _summary(receipt),
        "sparseness": {
            "gini": _short(gini(receipt.map)),
            "entropy_share": _short(entropy_share(receipt.map)),
        },
        "measures": {
            name: _plain(asdict(receipt.measures[name])) if name in receipt.measures else None
            for name in MEASURES
        },
        "forwards": receipt.forwards,
        "warnings": list(receipt.warnings),
    }


def _protocol(protocol: Protocol, seed: int) -> dict[str, Json]:
    thresholds: dict[str, Json] = dict(asdict(protocol.thresholds))
    return {
        "name": protocol.name,
        "version": protocol.version,
        "seed": seed,
        "scalar": "probability of the target: softmax; sigmoid for multi-label models and contrasts",
        "map": "signed, one value per pixel; a pixel is removed with all its colours",
        "grid": [protocol.rows, protocol.columns],
        "ranking": "by the sum of the map in each cell, ties by seed",
        "steps": protocol.steps,
        "auc": "trapezoid over the removed fraction of cells, in [0, 1]",
        "srg": "auc_lerf - auc_morf",
        "log_odds_srg": f"the same area in log-odds, probabilities within [{LEAST_PROBABILITY}, {1 - LEAST_PROBABILITY}]",
        "random_orders": protocol.random_orders,
        "least_random_deviation": LEAST_DEVIATION,
        "null": "log_odds_srg of random orders, drawn anew per operator; mean 0 known; one-sided Student's t; "
        "over operators as if they moved together",
        "operators": {name: OPERATORS[name].summary for name in protocol.operators},
        "thresholds": thresholds,
    }


def _operator(panel: Panel, *, counted: bool, circular: bool) -> dict[str, Json]:
    chance = panel.chance
    random_curves = np.concatenate([[pair.morf, pair.lerf] for pair in panel.random])
    random_auc = [auc for pair in panel.random for auc in (pair.auc_morf, pair.auc_lerf)]
    fractions = removal_counts(panel.map.cells, len(panel.map.morf) - 1) / panel.map.cells
    return {
        "name": panel.operator.name,
        "counted": counted,
        "circular": circular,
        "removed_fraction": _list(fractions),
        "morf": _list(panel.map.morf),
        "lerf": _list(panel.map.lerf),
        "random": _list(random_curves.mean(axis=0)),
        "random_standard_error": _list(_standard_error(panel)),
        "auc_morf": _short(panel.map.auc_morf),
        "auc_lerf": _short(panel.map.auc_lerf),
        "auc_random": {"mean": _short(np.mean(random_auc)), "deviation": _short(np.std(random_auc, ddof=1))},
        "srg": _short(panel.map.srg),
        "mrg": _short(np.mean(random_auc) - panel.map.auc_morf),
        "lrg": _short(panel.map.auc_lerf - np.mean(random_auc)),
        "log_odds_srg": _short(panel.map.log_odds_srg),
        "random_deviation": _short(chance.deviation),
        "z_score": _short(chance.z_score(panel.map.log_odds_srg)),
        "p_value": _short(chance.p_value(panel.map.log_odds_srg)),
        "percentile": _short(chance.percentile(panel.map.log_odds_srg)),
        "baseline": {
            "neutral": panel.audit.neutral,
            "predicted_class": panel.audit.predicted_class,
            "largest_probability": _short(panel.audit.largest_probability),
            "entropy_share": _short(panel.audit.entropy_share),
            "target_probability": _short(panel.audit.target_probability),
        },
    }


def _standard_error(panel: Panel) -> NDArray[np.float64]:
    """Of the mean random curve; an order and its reverse count as one, since they are not independent."""
    middles = np.array([(pair.morf + pair.lerf) / 2 for pair in panel.random])
    error: NDArray[np.float64] = middles.std(axis=0, ddof=1) / np.sqrt(len(middles))
    return error


def _controls(receipt: Receipt) -> dict[str, Json]:
    if receipt.summary is None:
        return {}
    counted = [panel for panel in receipt.panels if panel.operator.name in receipt.counted]
    return {
        name: {
            **_test(test),
            "beaten_under": sum(
                panel.map.log_odds_srg > panel.controls[name].log_odds_srg for panel in counted
            ),
            "of_operators": len(counted),
        }
        for name, test in receipt.summary.controls.items()
    }


def _summary(receipt: Receipt) -> dict[str, Json]:
    summary = receipt.summary
    if summary is None:
        return {}
    return {
        "probability": _short(receipt.panels[0].clear_probability),
        **_test(summary.map),
        "degrees_of_freedom": summary.degrees_of_freedom,
        "random_deviation": _short(summary.deviation),
        "gain": _short(summary.gain),
        "srg_spread": _short(summary.spread),
        "sign_agreement": _short(summary.sign_agreement),
        "beyond_controls": None if summary.beyond is None else _test(summary.beyond),
        "explained_by_controls": _short(summary.share_explained),
    }


def _test(test: Test) -> dict[str, Json]:
    return {
        "srg_mean": _short(test.srg),
        "log_odds_srg_mean": _short(test.log_odds_srg),
        "z_score": _short(test.z_score),
        "p_value": _short(test.p_value),
    }


def _plain(value: object) -> Json:
    """Write what :func:`dataclasses.asdict` leaves, whatever its depth."""
    match value:
        case Mapping():
            return {str(name): _plain(one) for name, one in value.items()}
        case tuple() | list():
            return [_plain(one) for one in value]
        case float():
            return _short(value)
        case bool() | int() | str() | None:
            return value
        case _:
            raise TypeError(f"{type(value).__name__} does not travel in a receipt")


def _list(values: NDArray[np.float64]) -> list[Json]:
    return [_short(value) for value in values]


def _short(value: float | np.floating | None) -> float | None:
    """Keep six significant digits; further ones differ from machine to machine."""
    return None if value is None else float(f"{float(value):.6g}")
