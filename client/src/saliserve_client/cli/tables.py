"""Results as aligned text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from saliserve_client.measures import Measures
from saliserve_client.results import Certificate, ModelIdentity, Prediction, Receipt

GAP = "  "
REASON_WIDTH = 88


def aligned(rows: Sequence[Sequence[str]], *, numbers_from: int = 1) -> list[str]:
    """Align columns; those from *numbers_from* on to the right.

    Examples:
        >>> aligned([("operator", "SRG"), ("blur", "+0.2")])
        ['operator   SRG', 'blur      +0.2']
    """
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return [
        GAP.join(
            cell.rjust(width) if index >= numbers_from else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def labelled(parts: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """Put a label before the first line of each part and indent the others to match.

    Examples:
        >>> labelled([("receipt", ["faithful", "blur +0.2"]), ("method", ["grad_cam"])])
        ['receipt  faithful', '         blur +0.2', 'method   grad_cam']
    """
    shown = [(label, lines) for label, lines in parts if lines]
    width = max((len(label) for label, _ in shown), default=0)
    return [
        f"{label if not index else '':<{width}}{GAP}{line}"
        for label, lines in shown
        for index, line in enumerate(lines)
    ]


def prediction(result: Prediction) -> list[str]:
    """Show the ranked classes."""
    return aligned([(one.label, f"{one.probability:.3f}", f"#{one.index}") for one in result.top_k])


def model(identity: ModelIdentity) -> list[str]:
    """Show which model answered."""
    return [f"{identity.name} {identity.version}  sha256 {identity.sha256[:12]}  on {identity.provider}"]


def certificate(result: Certificate) -> list[str]:
    """Show what was checked of the method on this model, once for all pictures."""
    other = ["made with other options than were certified"] if result.same_parameters is False else []
    return [result.verdict, *textwrap.wrap(result.reason, REASON_WIDTH), *other]


def receipt(result: Receipt | None) -> list[str]:
    """Show verdict, reason and panel."""
    if result is None:
        return []
    head = [result.verdict.upper(), *textwrap.wrap(result.reason, REASON_WIDTH)]
    return [*head, *_panel(result), *_measures(result.measures), f"protocol {result.protocol}"]


def _measures(found: Measures) -> list[str]:
    """Show what else was asked for, a line each."""
    luck = found.luck
    lines = [f"luck: a random map as smooth does as well in {luck.p_value:.1%} of cases"] if luck else []
    lines += [
        f"magnitude under {one.operator}: SaCo {_number(one.saco)}, mu-fidelity {_number(one.mu_fidelity)}, "
        f"normalised infidelity {_number(one.normalised_infidelity)}"
        for one in found.magnitude
    ]
    lines += [f"pixels under {one.operator}: SRG {one.srg:+.3f}" for one in found.pixels]
    if found.stability is not None:
        change = _number(found.stability.max_sensitivity)
        lines.append(f"stability: max-sensitivity {change} within {found.stability.radius:g}")
    if found.repeatability is not None:
        again = {"seed": found.repeatability.second_seed, "baseline": found.repeatability.second_baseline}
        told = [
            f"second {what}: rank correlation {_number(one.spearman)}" for what, one in again.items() if one
        ]
        lines.append("repeatability: " + (", ".join(told) or "nothing in it is drawn or replaced"))
    if found.localisation is not None:
        place = found.localisation
        lines.append(
            f"localisation: points at it {place.pointing_game:.0%}, mass {_number(place.relevance_mass)}, rank "
            f"{place.relevance_rank:.3f}, chance {place.chance:.3f}"
        )
    return lines


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _panel(result: Receipt) -> list[str]:
    if not result.operators:
        return []
    rows = [("operator", "MoRF", "LeRF", "SRG", "z")]
    for one in result.operators:
        name = one.name if one.counted else f"{one.name} (not counted)"
        z_score = "" if one.z_score is None else f"{one.z_score:+.1f}"
        rows.append((name, f"{one.auc_morf:.3f}", f"{one.auc_lerf:.3f}", f"{one.srg:+.3f}", z_score))
    if result.summary is not None:
        rows.append(("all", "", "", f"{result.summary.srg_mean:+.3f}", f"{result.summary.z_score:+.1f}"))
    return aligned(rows)


def milliseconds(timings_ms: Mapping[str, float], **more_ms: float) -> list[str]:
    """Show milliseconds per stage on one line."""
    return [GAP.join(f"{stage} {spent_ms:.1f}" for stage, spent_ms in {**timings_ms, **more_ms}.items())]
