"""``saliserve compare TABLE...``."""

from __future__ import annotations

import argparse
import textwrap
from itertools import chain

from saliserve_client.cli import tables
from saliserve_client.cli.console import Console
from saliserve_client.cli.exits import OK
from saliserve_client.dataset.compare import Comparison, compare
from saliserve_client.dataset.resampling import Interval
from saliserve_client.dataset.words import MEASURES, agreement, images, shown
from saliserve_client.report.table import read_table


def run(options: argparse.Namespace, console: Console) -> int:
    """Compare the contestants of all tables and print what came out."""
    found = compare(
        chain.from_iterable(map(read_table, options.tables)),
        measure=options.measure,
        seed=options.seed,
        resamples=options.resamples,
    )
    console.result(told(found), lines(found))
    return OK


def lines(found: Comparison) -> list[str]:
    """Show a comparison as text."""
    return tables.labelled(
        [
            ("images", [images(found)]),
            ("measure", [MEASURES[found.measure], f"receipts of {found.protocol}"]),
            ("means", _means(found)),
            ("agreement", [agreement(found)] if len(found.names) > 1 else []),
            ("outcome", [found.outcome.upper(), *textwrap.wrap(found.reason, tables.REASON_WIDTH)]),
        ]
    )


def told(found: Comparison) -> dict[str, object]:
    """Write a comparison in plain types."""
    return {
        "outcome": found.outcome,
        "reason": found.reason,
        "measure": found.measure,
        "protocol": found.protocol,
        "images": found.images,
        "left_out": found.left_out,
        "kendalls_w": found.kendalls_w,
        "contestants": [
            {
                "name": name,
                "model": one.model,
                "model_sha256": one.model_sha256,
                "method": one.method,
                "spread": spread,
            }
            for name, one, spread in zip(found.names, found.contestants, found.spread, strict=True)
        ],
        "operators": [
            {
                "name": one.operator,
                "images": one.images,
                "valid": one.valid,
                "means": [_plain(mean) for mean in one.means],
                "differences": [
                    {"first": found.names[first], "second": found.names[second], **_plain(interval)}
                    for (first, second), interval in one.differences.items()
                    if first < second
                ],
            }
            for one in found.judgements
        ],
    }


def _means(found: Comparison) -> list[str]:
    valid = [one for one in found.judgements if one.valid]
    weak = [
        f"{one.operator} counts on {one.images} images: too few" for one in found.judgements if not one.valid
    ]
    if not valid:
        return weak
    rows = [("", *(one.operator for one in valid), "spread")]
    for number, name in enumerate(found.names):
        rows.append((name, *(shown(one.means[number]) for one in valid), f"{found.spread[number]:.3f}"))
    return [*tables.aligned(rows), *weak]


def _plain(interval: Interval) -> dict[str, float]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}
