"""RISE's map and its standard error, from the masks and the model's answers."""

import numpy as np
from numpy.typing import NDArray

from service.arrays import SaliencyMap
from service.explain.convergence import agreement
from service.explain.grid_masks import GridMasks
from service.explain.rise_estimators import ESTIMATORS, Name, Weights

# A lattice a little finer than the cells holds all that is smooth in a map of enlarged cells.
_MORE_THAN_CELLS = 2
_MOST_PER_SIDE = 12
# Masks that are evaluated there at first; then as many again each time.
_FIRST = 500


class RiseMap:
    """Reckons the map of the first masks whenever asked.

    Of a pair of opposites, ``m`` and ``1 - m``, half the difference of the answers is one sample at ``m``: its
    covariance with the mask is that of an answer, and whatever in the answers is the same for both, such as all
    products of two cells, cancels out (antithetic variates: Owen 2013, section 8.2).

    Args:
        masks: All that may be used.
        estimator: How answers become weights.
    """

    def __init__(self, masks: GridMasks, estimator: Name) -> None:
        self._paired = masks.paired
        masks = masks.without_opposites() if masks.paired else masks
        self._masks = masks
        self._estimate = ESTIMATORS[estimator]
        per_side = min(masks.grids.shape[1] + _MORE_THAN_CELLS, _MOST_PER_SIDE)
        self._rows, self._columns = _lattice(masks.height, per_side), _lattice(masks.width, per_side)
        self._features = np.empty((0, len(self._rows) * len(self._columns)))
        self._down, self._right = masks.covariance(self._rows, self._columns)

    def independent(self, count: int) -> int:
        """Say how many independent samples the answers to so many masks are."""
        return count // 2 if self._paired else count

    def agreement(self, values: NDArray[np.float64]) -> float:
        """Estimate the correlation with the map of infinitely many masks, from a lattice of pixels.

        Args:
            values: ``[n]``, the answers to the first n masks.
        """
        values = self._samples(values)
        count = len(values)
        features = self._known_features(count)
        weights = self._estimate(features, values)
        moved = features if weights.is_centred else features + self._masks.keep
        covariance = np.kron(self._down[self._rows], self._right[self._columns])
        sampled = weights.residual @ moved / count
        square = np.square(weights.residual) @ np.square(moved) / count - np.square(sampled)
        return agreement(sampled + covariance @ weights.linear, np.sqrt(np.maximum(square, 0) / (count - 1)))

    def map(self, values: NDArray[np.float64]) -> tuple[SaliencyMap, SaliencyMap]:
        """Reckon the map and its standard error, in units of the answers.

        Args:
            values: ``[n]``, the answers to the first n masks.

        Returns:
            Two arrays ``[H, W]``.
        """
        values = self._samples(values)
        masks, count = self._masks.first(len(values)), len(values)
        weights = self._estimate(self._known_features(count), values)
        sampled = masks.weighted_sum(weights.residual) / count
        known = self._down @ weights.linear.reshape(len(self._rows), -1) @ self._right.T
        variance = _variance(masks, weights) / (count - 1)
        error = np.sqrt(np.maximum(variance, 0))
        return ((sampled + known) / masks.keep).astype(np.float32), (error / masks.keep).astype(np.float32)

    def _known_features(self, count: int) -> NDArray[np.float64]:
        """``[count, P]``: the masks at the lattice; reckoned as far as needed, since a deadline may leave few."""
        while len(self._features) < count:
            masks = self._masks.between(len(self._features), 2 * len(self._features) + _FIRST)
            more = masks.at(self._rows, self._columns).reshape(len(masks), -1) - masks.keep
            self._features = np.concatenate([self._features, more])
        return self._features[:count]

    def _samples(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self._paired:
            return values
        whole = len(values) // 2 * 2
        return (values[:whole:2] - values[1:whole:2]) / 2


def _variance(masks: GridMasks, weights: Weights) -> NDArray[np.float64]:
    """``[H, W]``: of ``residual * (mask - centre)`` over the masks; the centre is *keep* or 0."""
    count, square = len(masks), np.square(weights.residual)
    centre = masks.keep if weights.is_centred else 0.0
    second = (
        masks.weighted_square_sum(square)
        - 2 * centre * masks.weighted_sum(square)
        + centre**2 * float(square.sum())
    )
    mean = (masks.weighted_sum(weights.residual) - centre * float(weights.residual.sum())) / count
    variance: NDArray[np.float64] = second / count - np.square(mean)
    return variance


def _lattice(size: int, count: int) -> NDArray[np.int64]:
    """Spread *count* pixels, or all if there are fewer, evenly over a side.

    Examples:
        >>> _lattice(8, 4).tolist()
        [1, 3, 5, 7]
    """
    count = min(count, size)
    return ((np.arange(count) + 0.5) * size / count).astype(np.int64)
