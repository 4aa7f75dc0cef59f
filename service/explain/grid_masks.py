"""RISE's random masks, and sums over many of them without making any.

A mask is a small grid of ones and zeros, enlarged bilinearly and shifted at random. Enlarging is
linear, so a weighted sum of masks is a sum of enlarged sums of grids: add up the grids of equal shift,
then enlarge once. A map of thousands of masks so takes milliseconds, in float64, from the seed
and the model's answers alone; the masks themselves exist only on the device, a micro-batch at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.explain.class_activation import bilinear

_AT_A_TIME = 1000
"""Masks, so that the memory of a map does not grow with their number: two megabytes of cells and their products."""


@dataclass(frozen=True, slots=True)
class GridMasks:
    """Masks ``rows[top : top + H] @ grid @ columns[left : left + W].T``.

    Args:
        height: H, in pixels.
        width: W, in pixels.
        keep: The probability that a cell is 1: the mean of every pixel of every mask.
        rows: ``[H + shift, cells]``, the enlargement, float64.
        columns: ``[W + shift, cells]``.
        grids: ``[N, cells, cells]`` of ones and zeros.
        shifts: ``[N, 2]``: top and left, each below *most_shifts*.
        most_shifts: Height and width of a cell, in pixels.
        paired: Whether every second mask is the opposite of the one before: 1 minus it, at every pixel.
    """

    height: int
    width: int
    keep: float
    rows: NDArray[np.float64]
    columns: NDArray[np.float64]
    grids: NDArray[np.bool_]
    shifts: NDArray[np.int64]
    most_shifts: tuple[int, int]
    paired: bool = False

    @classmethod
    def draw(
        cls,
        height: int,
        width: int,
        *,
        cells: int,
        keep: float,
        count: int,
        seed: int,
        paired: bool = False,
    ) -> "GridMasks":
        """Draw *count* masks; the first n are the same whatever *count* is.

        Args:
            height: H, in pixels.
            width: W, in pixels.
            cells: Per side.
            keep: The probability that a cell is 1; one half, if masks come in pairs.
            count: How many.
            seed: Of the request.
            paired: Draw every second mask as the opposite of the one before.

        References:
            Petsiuk, Das, Saenko. "RISE", BMVC 2018, section 3.2. https://arxiv.org/abs/1806.07421
        """
        of_grids, of_shifts = (np.random.default_rng([stream, seed]) for stream in (0, 1))
        tall, wide = -(-height // cells), -(-width // cells)
        drawn = -(-count // 2) if paired else count
        grids = of_grids.random((drawn, cells, cells)) < keep
        shifts = (of_shifts.random((drawn, 2)) * (tall, wide)).astype(np.int64)
        if paired:
            grids = np.stack([grids, ~grids], axis=1).reshape(-1, cells, cells)[:count]
            shifts = np.repeat(shifts, 2, axis=0)[:count]
        return cls(
            height=height,
            width=width,
            keep=keep,
            rows=bilinear(tall * (cells + 1), cells).astype(np.float64),
            columns=bilinear(wide * (cells + 1), cells).astype(np.float64),
            grids=grids,
            shifts=shifts,
            most_shifts=(tall, wide),
            paired=paired,
        )

    def __len__(self) -> int:
        return len(self.grids)

    def first(self, count: int) -> "GridMasks":
        """Return the first *count* masks."""
        return self.between(0, count)

    def between(self, start: int, stop: int) -> "GridMasks":
        """Return the masks from number *start* to before number *stop*, as far as there are any."""
        return replace(self, grids=self.grids[start:stop], shifts=self.shifts[start:stop])

    def without_opposites(self) -> "GridMasks":
        """Return the first mask of every pair."""
        return replace(self, grids=self.grids[::2], shifts=self.shifts[::2], paired=False)

    def at(self, row: NDArray[np.int64], column: NDArray[np.int64]) -> NDArray[np.float64]:
        """Evaluate every mask on a lattice of pixels.

        Returns:
            ``[N, len(row), len(column)]``.
        """
        tall = self.rows[self.shifts[:, :1] + row]
        wide = self.columns[self.shifts[:, 1:] + column]
        values: NDArray[np.float64] = tall @ self.grids @ wide.transpose(0, 2, 1)
        return values

    def covariance(
        self, row: NDArray[np.int64], column: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the covariance, over all masks that could be drawn, of every pixel with a lattice.

        It is a product: of pixel (y, x) with lattice point (i, j) it is ``down[y, i] * right[x, j]``.

        Returns:
            *down* ``[H, len(row)]`` and *right* ``[W, len(column)]``.
        """
        tops, lefts = self.most_shifts
        down = _products(self.rows, tops, self.height, row)
        return self.keep * (1 - self.keep) * down, _products(self.columns, lefts, self.width, column)

    def weighted_sum(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """``[H, W]``: the sum of ``weights[n] * mask[n]``."""
        return self._enlarged(weights, _as_numbers, self.rows, self.columns)

    def weighted_square_sum(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """``[H, W]``: the sum of ``weights[n] * mask[n]^2``.

        Between the centres of two neighbouring cells only these two count. So the square of a mask is
        itself an enlarged grid: of the cells, and of the products of cells side by side.
        """
        return self._enlarged(weights, _pair_products, _pairs(self.rows), _pairs(self.columns))

    def _enlarged(
        self,
        weights: NDArray[np.float64],
        expand: Callable[[NDArray[np.bool_]], NDArray[np.float64]],
        rows: NDArray[np.float64],
        columns: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Add up the grids of equal shift, enlarge each sum and add those up, in two large products.

        Only the shifts that occur are enlarged: of a dozen masks, as a short deadline leaves, few do.
        """
        tops, top = np.unique(self.shifts[:, 0], return_inverse=True)
        lefts, left = np.unique(self.shifts[:, 1], return_inverse=True)
        sums = self._sums(weights, expand, top * len(lefts) + left, len(tops) * len(lefts))
        height, width = sums.shape[1:]
        # [(left, column of the grid), x] and [y, (top, row of the grid)]
        wide = np.concatenate([columns[start : start + self.width].T for start in lefts])
        tall = np.concatenate([rows[start : start + self.height] for start in tops], axis=1)
        standing = sums.reshape(len(tops), len(lefts), height, width).transpose(0, 2, 1, 3)
        total: NDArray[np.float64] = tall @ (standing.reshape(len(tops) * height, len(lefts) * width) @ wide)
        return total

    def _sums(
        self,
        weights: NDArray[np.float64],
        expand: Callable[[NDArray[np.bool_]], NDArray[np.float64]],
        place: NDArray[np.int64],
        places: int,
    ) -> NDArray[np.float64]:
        """``[places, a, b]``: the weighted sum of the grids of each place; a thousand of them at a time."""
        sums = np.zeros((places, *expand(self.grids[:1]).shape[1:]))
        for start in range(0, len(self.grids), _AT_A_TIME):
            chunk = slice(start, start + _AT_A_TIME)
            order = np.argsort(place[chunk], kind="stable")
            found, first = np.unique(place[chunk][order], return_index=True)
            weighted = weights[chunk][order, None, None] * expand(self.grids[chunk][order])
            sums[found] += np.add.reduceat(weighted, first)
        return sums


def _products(
    matrix: NDArray[np.float64], shifts: int, size: int, lattice: NDArray[np.int64]
) -> NDArray[np.float64]:
    """``[size, len(lattice)]``: the mean over all shifts of ``matrix[pixel] . matrix[lattice point]``."""
    products = [matrix[shift : shift + size] @ matrix[shift + lattice].T for shift in range(shifts)]
    return np.asarray(np.mean(products, axis=0), np.float64)


def _as_numbers(grids: NDArray[np.bool_]) -> NDArray[np.float64]:
    return grids.astype(np.float64)


def _pairs(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of an enlargement ``[size, cells]`` that of squares: the squares, then twice the products of neighbours."""
    return np.concatenate([matrix**2, 2 * matrix[:, :-1] * matrix[:, 1:]], axis=1)


def _pair_products(grids: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The grids that :func:`_pairs` enlarges to squared masks; ones and zeros are their own squares."""
    upper, lower = grids[:, :-1], grids[:, 1:]
    down, right = upper & lower, grids[:, :, :-1] & grids[:, :, 1:]
    diagonals = (upper[:, :, :-1] & lower[:, :, 1:]).astype(np.float64) + (upper[:, :, 1:] & lower[:, :, :-1])
    return np.block([[grids, right], [down, diagonals / 2]])
