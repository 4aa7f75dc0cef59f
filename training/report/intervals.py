"""Intervals for what was measured, at 95 %."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.certificate import interval

NORMAL_QUANTILE = 1.959963984540054
T_QUANTILES = (12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157)
"""Of Student's t at 97.5 %, for 1 to 9 degrees of freedom; importing scipy.stats for them takes a second."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and where it may lie.

    Args:
        estimate: The mean.
        low: Lower end; NaN where there is too little data for an interval.
        high: Upper end, likewise.
        count: Observations.
    """

    estimate: float
    low: float
    high: float
    count: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies wholly on one side of 0."""
        return self.low > 0 or self.high < 0


def bootstrap(values: NDArray[np.float64], seed: int = 0) -> Interval:
    """Mean over pictures with the bootstrap interval of the certificates.

    Args:
        values: ``[N]``, one per picture; NaN where it could not be measured.
        seed: Of the resampling.

    Examples:
        >>> bootstrap(np.array([1.0, 1.0, 1.0, np.nan]))
        Interval(estimate=1.0, low=1.0, high=1.0, count=3)
    """
    kept = values[~np.isnan(values)]
    if len(kept) < 2:  # noqa: PLR2004 - one picture has no spread
        return Interval(float(kept.mean()) if len(kept) else math.nan, math.nan, math.nan, len(kept))
    return Interval(*interval.bootstrap(kept.tolist(), np.random.default_rng(seed)), len(kept))


def over_seeds(values: NDArray[np.float64]) -> Interval:
    """Mean over seeds with Student's t interval; no interval for one seed.

    Examples:
        Two seeds have one degree of freedom, whose 97.5 % quantile is 12.7:

        >>> found = over_seeds(np.array([0.0, 2.0]))
        >>> found.estimate, round(found.high, 1)
        (1.0, 13.7)
    """
    count = len(values)
    mean = float(values.mean()) if count else math.nan
    if count < 2:  # noqa: PLR2004 - one seed has no spread
        return Interval(mean, math.nan, math.nan, count)
    quantile = T_QUANTILES[count - 2] if count - 2 < len(T_QUANTILES) else T_QUANTILES[-1]
    half = quantile * float(values.std(ddof=1)) / math.sqrt(count)
    return Interval(mean, mean - half, mean + half, count)


def share(successes: int, count: int) -> Interval:
    """Share of pictures with Wilson's interval.

    Examples:
        >>> found = share(5, 10)
        >>> found.estimate, round(found.low, 3), round(found.high, 3)
        (0.5, 0.237, 0.763)
    """
    z, p = NORMAL_QUANTILE, successes / count
    centre = (p + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(p * (1 - p) / count + z**2 / (4 * count**2))
    return Interval(p, centre - half, centre + half, count)
