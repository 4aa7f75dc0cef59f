"""In which order the cells of an image are removed."""

from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Scores: TypeAlias = NDArray[np.float64]
"""``[cells]``: how much evidence a map sees in each cell, signed."""

Order: TypeAlias = NDArray[np.int64]
"""``[cells]``: cell numbers, the most relevant first."""


def most_relevant_first(scores: Scores, random: np.random.Generator) -> Order:
    """Rank the cells by descending score; equal scores are ordered at random, not by position.

    Args:
        scores: ``[cells]``, signed: a cell that speaks against the target comes last.
        random: Decides among ties.

    Examples:
        >>> most_relevant_first(np.array([0.1, 3.0, -2.0]), np.random.default_rng(0)).tolist()
        [1, 0, 2]
    """
    return np.lexsort((random.random(len(scores)), -scores))


def share_of_ties(scores: Scores) -> float:
    """Say how many of the cells share their score with another one, in [0, 1].

    Examples:
        >>> share_of_ties(np.array([0.0, 0.0, 5.0, 7.0]))
        0.5
    """
    _, counts = np.unique(scores, return_counts=True)
    return float(counts[counts > 1].sum() / len(scores))


def normal_scores(scores: Scores) -> Scores:
    """Replace scores by the quantiles of a standard normal of the same rank.

    Only the order of the cells is kept, on a scale on which straight lines make sense. Equal
    scores share the mean of their quantiles.

    Returns:
        ``[cells]``, mean 0.

    Examples:
        >>> normal_scores(np.array([10.0, -3.0, 999.0, 10.0])).round(2)
        array([ 0.  , -1.15,  1.15,  0.  ])
    """
    count = len(scores)
    quantiles = [NormalDist().inv_cdf((rank + 0.5) / count) for rank in range(count)]
    _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes)
    sums = np.add.reduceat(quantiles, ends - sizes)
    result: Scores = (sums / sizes)[group]
    return result
