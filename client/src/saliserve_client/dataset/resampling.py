"""How far a mean over images may be off: the paired bootstrap, without numpy."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

RESAMPLES = 2000
FEWEST_RESAMPLES = 200
MOST_DRAWS = 20_000_000
"""Images times resamples per operator: some ten seconds. The more images, the less a resample adds."""

_TAIL = 0.025


@dataclass(frozen=True)
class Interval:
    """A mean over images and where it may lie, at 95 %.

    Args:
        mean: Over the images.
        low: Lower end of the bootstrap interval.
        high: Upper end.
    """

    mean: float
    low: float
    high: float


def intervals(
    series: Sequence[Sequence[float]], *, seed: int, resamples: int | None = None
) -> tuple[Interval, ...]:
    """Give every series the expanded percentile bootstrap interval of its mean.

    All series are resampled by the same draws of images, so differences between them are paired.

    Args:
        series: One value per image, in the same order of images; at least one image.
        seed: Of the draws.
        resamples: How many; as many as are affordable if None.

    Examples:
        >>> intervals([[1.0, 1.0, 1.0]], seed=0)
        (Interval(mean=1.0, low=1.0, high=1.0),)

    References:
        Hesterberg. "What Teachers Should Know About the Bootstrap", The American Statistician 69, 2015, section
        4.3. https://arxiv.org/abs/1411.5279
    """
    count = len(series[0])
    means: list[list[float]] = [[] for _ in series]
    for draw in _draws(count, seed, affordable(count) if resamples is None else resamples):
        for values, kept in zip(series, means, strict=True):
            kept.append(sum(map(values.__getitem__, draw)) / count)
    tail = expanded_tail(count)
    return tuple(
        Interval(sum(values) / count, quantile(kept, tail), quantile(kept, 1 - tail))
        for values, kept in zip(series, means, strict=True)
    )


def expanded_tail(count: int) -> float:
    """Share of the resamples beyond each end, so that few images do not give too narrow an interval.

    Plain percentiles (0.025) are those of a normal distribution with the variance divided by n; Student's t with
    n - 1 is wanted, by its expansion about the normal quantile (Abramowitz, Stegun 26.7.5).

    Examples:
        >>> round(expanded_tail(20), 4), round(expanded_tail(10_000), 4)
        (0.0159, 0.025)
    """
    if count == 1:
        return _TAIL
    normal, freedom = -NormalDist().inv_cdf(_TAIL), count - 1
    first = (normal**3 + normal) / 4
    second = (5 * normal**5 + 16 * normal**3 + 3 * normal) / 96
    third = (3 * normal**7 + 19 * normal**5 + 17 * normal**3 - 15 * normal) / 384
    student = normal + first / freedom + second / freedom**2 + third / freedom**3
    return NormalDist().cdf(-((count / freedom) ** 0.5) * student)


def affordable(images: int) -> int:
    """Choose the number of resamples.

    Examples:
        >>> affordable(100), affordable(40_000), affordable(1_000_000)
        (2000, 500, 200)
    """
    return max(FEWEST_RESAMPLES, min(RESAMPLES, MOST_DRAWS // max(images, 1)))


def quantile(values: Sequence[float], share: float) -> float:
    """Interpolate linearly between the sorted values, as numpy does by default.

    Examples:
        >>> quantile([4.0, 1.0, 3.0, 2.0], 0.5)
        2.5
    """
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def _draws(count: int, seed: int, resamples: int) -> Iterator[list[int]]:
    # Only random() is promised to give the same numbers in every version of Python.
    draw = random.Random(seed).random  # noqa: S311 - statistics
    for _ in range(resamples):
        yield [int(draw() * count) for _ in range(count)]
