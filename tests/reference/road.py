"""ROAD's imputation, written out as in section 5 of the paper: one equation per removed pixel.

Rong, Leemann, Borisov, Kasneci, Kasneci. "A Consistent and Efficient Evaluation Strategy for Attribution Methods",
ICML 2022. https://arxiv.org/abs/2202.00449
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

NEIGHBOURS = {
    (-1, -1): 1 / 12, (-1, 0): 1 / 6, (-1, 1): 1 / 12,
    (0, -1): 1 / 6, (0, 1): 1 / 6,
    (1, -1): 1 / 12, (1, 0): 1 / 6, (1, 1): 1 / 12,
}  # fmt: skip


def impute(colour: NDArray[np.float64], removed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fill the removed pixels of one colour, ``[H, W]``, by a sparse direct solver; no noise."""
    height, width = colour.shape
    pixels = [(int(row), int(column)) for row, column in np.argwhere(removed)]
    number = {pixel: index for index, pixel in enumerate(pixels)}
    matrix = lil_matrix((len(pixels), len(pixels)))
    right_side = np.zeros(len(pixels))
    for (row, column), equation in number.items():
        weights_there_are = 0.0
        for (down, across), weight in NEIGHBOURS.items():
            neighbour = (row + down, column + across)
            if not (0 <= neighbour[0] < height and 0 <= neighbour[1] < width):
                continue
            weights_there_are += weight
            if neighbour in number:
                matrix[equation, number[neighbour]] = -weight
            else:
                right_side[equation] += weight * colour[neighbour]
        matrix[equation, equation] = weights_there_are
    filled = colour.copy()
    filled[removed] = spsolve(matrix.tocsc(), right_side)
    return filled
