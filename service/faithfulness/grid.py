"""The cells in which an image is taken apart."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.arrays import SaliencyMap, Segments


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows and columns of cells over an image; a cell of one pixel is the finest.

    Pixels are never split by colour channel: a cell holds whole RGB pixels.

    Args:
        height: Of the image, in pixels.
        width: Of the image, in pixels.
        rows: Number of rows of cells, at most *height*.
        columns: Number of columns of cells, at most *width*.
    """

    height: int
    width: int
    rows: int
    columns: int

    @classmethod
    def over(cls, height: int, width: int, *, rows: int, columns: int) -> "Grid":
        """Lay at most ``rows x columns`` cells over an image; a small image has as many as it has pixels.

        Examples:
            >>> Grid.over(224, 10, rows=14, columns=14)
            Grid(height=224, width=10, rows=14, columns=10)
        """
        return cls(height, width, min(rows, height), min(columns, width))

    @property
    def size(self) -> int:
        """Number of cells."""
        return self.rows * self.columns

    @property
    def segments(self) -> Segments:
        """``[height, width]``: the cell of every pixel, counted row by row.

        Sides of cells differ by at most one pixel.

        Examples:
            >>> Grid(2, 5, rows=1, columns=2).segments
            array([[0, 0, 0, 1, 1],
                   [0, 0, 0, 1, 1]])
        """
        row = np.arange(self.height) * self.rows // self.height
        column = np.arange(self.width) * self.columns // self.width
        return row[:, None] * self.columns + column[None, :]

    def cell_sums(self, values: SaliencyMap) -> NDArray[np.float64]:
        """Add up a map in every cell: what removing the cell would take away, were the model additive.

        Args:
            values: ``[height, width]``.

        Returns:
            ``[rows * columns]``.

        Examples:
            >>> Grid(2, 2, rows=1, columns=2).cell_sums(np.array([[1, 2], [3, 4]], np.float32))
            array([4., 6.])
        """
        sums = np.zeros(self.size)
        np.add.at(sums, self.segments.ravel(), values.ravel())
        return sums
