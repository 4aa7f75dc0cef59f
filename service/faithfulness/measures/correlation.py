"""How alike two lists of numbers are."""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
"""``[n]``."""


def pearson(left: Numbers, right: Numbers) -> float | None:
    """Return the correlation of the values.

    Returns:
        In [-1, 1]; None if either list is the same everywhere.

    Examples:
        >>> pearson(np.array([1.0, 2.0, 3.0]), np.array([-2.0, -4.0, -6.0]))
        -1.0
    """
    first, second = left - left.mean(), right - right.mean()
    # In units of the largest, so that squares neither overflow nor vanish.
    largest = np.abs(first).max(), np.abs(second).max()
    if min(largest) == 0:
        return None
    first, second = first / largest[0], second / largest[1]
    found = float((first * second).sum() / np.sqrt((first**2).sum() * (second**2).sum()))
    return min(1.0, max(-1.0, found))


def spearman(left: Numbers, right: Numbers) -> float | None:
    """Return the correlation of the ranks; equal values share the mean of theirs.

    Returns:
        In [-1, 1]; None if either list is the same everywhere.

    Examples:
        >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([0.0, 10.0, 1e6]))
        1.0
    """
    return pearson(ranks(left), ranks(right))


def ranks(values: Numbers) -> Numbers:
    """Return the rank of every value, from 1; equal values share the mean of theirs.

    Examples:
        >>> ranks(np.array([7.0, 3.0, 7.0]))
        array([2.5, 1. , 2.5])
    """
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes)
    shared: Numbers = (ends - (sizes - 1) / 2)[group]
    return shared
