"""How far a mean over pictures may be off."""

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

RESAMPLES = 2000
_TAIL = 0.025


class Interval(NamedTuple):
    """A mean over pictures and its 95 % bootstrap interval, which knows no pictures but these."""

    mean: float
    low: float
    high: float


def bootstrap(values: Sequence[float], random: np.random.Generator) -> Interval:
    """Resample the pictures; the expanded percentile interval.

    Args:
        values: One per picture, at least one.
        random: Of the resampling.

    Examples:
        >>> bootstrap([1.0, 1.0, 1.0], np.random.default_rng(0))
        Interval(mean=1.0, low=1.0, high=1.0)

    References:
        Hesterberg. "What Teachers Should Know About the Bootstrap", The American Statistician 69, 2015, section
        4.3. https://arxiv.org/abs/1411.5279
    """
    observed = np.asarray(values, np.float64)
    count = len(observed)
    # One resample at a time: ten thousand pictures times all resamples would not fit.
    means = [observed[random.integers(0, count, count)].mean() for _ in range(RESAMPLES)]
    tail = expanded_tail(count)
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(observed.mean()), float(low), float(high))


def expanded_tail(count: int) -> float:
    """Share of the resamples beyond each end, so that few values do not give too narrow an interval.

    Plain percentiles (0.025) are those of a normal distribution with the variance divided by n; Student's t with
    n - 1 is wanted, by its expansion about the normal quantile (Abramowitz, Stegun 26.7.5).

    Examples:
        >>> round(expanded_tail(8), 4), round(expanded_tail(10_000), 4)
        (0.0057, 0.025)
    """
    if count == 1:
        return _TAIL
    normal, freedom = -NormalDist().inv_cdf(_TAIL), count - 1
    first = (normal**3 + normal) / 4
    second = (5 * normal**5 + 16 * normal**3 + 3 * normal) / 96
    third = (3 * normal**7 + 19 * normal**5 + 17 * normal**3 - 15 * normal) / 384
    student = normal + first / freedom + second / freedom**2 + third / freedom**3
    return NormalDist().cdf(-((count / freedom) ** 0.5) * student)
