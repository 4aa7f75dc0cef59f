"""Numbers as the cells of a table show them."""

from collections.abc import Iterable

import numpy as np

from training.report.intervals import Interval, bootstrap
from training.report.results import Measure, Results, values


def text(found: Interval, *, signed: bool = False) -> str:
    """Write an estimate with its interval, where it has one.

    Examples:
        >>> text(Interval(0.5, 0.4, 0.6, 30), signed=True)
        '+0.500 [+0.400, +0.600]'
    """
    if np.isnan(found.estimate):
        return "–"
    sign = "+" if signed else ""
    estimate = f"{found.estimate:{sign}.3f}"
    return estimate if np.isnan(found.low) else f"{estimate} [{found.low:{sign}.3f}, {found.high:{sign}.3f}]"


def average(results: Results, arm: str, *path: str) -> str:
    """Average a measure of every picture over the seeds, then over pictures, with the interval over pictures."""
    measure = Measure("", "", "", path)
    columns = np.stack([values(run, measure) for run in results.of(arm)])
    measured = np.isfinite(columns)
    count = measured.sum(axis=0)
    means = np.nan_to_num(columns).sum(axis=0) / np.maximum(count, 1)
    return text(bootstrap(np.where(count > 0, means, np.nan)))


def mean(numbers: Iterable[float]) -> float:
    """Average a few numbers."""
    return float(np.mean(list(numbers)))
