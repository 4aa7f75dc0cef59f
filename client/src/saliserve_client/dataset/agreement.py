"""Do the removal operators put the contestants in the same order?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def mean_ranks(values: Sequence[float]) -> list[float]:
    """Rank from 1, the smallest first; ties get the mean of the ranks that they take up.

    Examples:
        >>> mean_ranks([0.3, 0.1, 0.3])
        [2.5, 1.0, 2.5]
    """
    ordered = sorted(values)
    first = {value: ordered.index(value) for value in set(values)}
    counts = Counter(values)
    return [first[value] + (counts[value] + 1) / 2 for value in values]


def kendalls_w(judgements: Sequence[Sequence[float]]) -> float | None:
    """Kendall's coefficient of concordance, corrected for ties.

    Args:
        judgements: Of every judge (an operator) a value for each contestant.

    Returns:
        1 if all judges rank alike, 0 if their ranks cancel; None for fewer than two judges or contestants, or
        if every judge finds all contestants equal.

    Examples:
        >>> kendalls_w([[1, 2, 3], [10, 20, 30]]), kendalls_w([[1, 2], [2, 1]])
        (1.0, 0.0)

    References:
        Kendall, Babington Smith. "The Problem of m Rankings", Annals of Mathematical Statistics 10, 1939.
    """
    judges, contestants = len(judgements), len(judgements[0]) if judgements else 0
    if judges < 2 or contestants < 2:  # noqa: PLR2004 - agreement takes two, and so does an order
        return None
    ranks = [mean_ranks(one) for one in judgements]
    sums = [sum(column) for column in zip(*ranks, strict=True)]
    mean = sum(sums) / contestants
    ties = sum(count**3 - count for one in judgements for count in Counter(one).values())
    scale = judges**2 * (contestants**3 - contestants) - judges * ties
    return None if scale == 0 else 12 * sum((one - mean) ** 2 for one in sums) / scale
