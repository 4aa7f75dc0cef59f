"""ROAD's imputation against a sparse direct solver."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.reference.road import impute
from tests.tiny import PROGRAMS

SIDE = 64
CELL = 16
RNG = np.random.default_rng(5)

# Full scale is 1, and the paper adds noise of deviation 0.01 to what is imputed.
TOLERANCE = 1e-4

EVERY_PIXEL = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)


def cells(shown: list[int]) -> NDArray[np.bool_]:
    """All is removed but the cells *shown*, of a 4 x 4 grid."""
    removed = np.ones(16, np.bool_)
    removed[shown] = False
    return np.kron(removed.reshape(4, 4), np.ones((CELL, CELL))) > 0


def pixels(share: float) -> NDArray[np.bool_]:
    return RNG.random((SIDE, SIDE)) < share


MASKS = {
    "a cell in the corner": ~cells([0]),
    "all but a cell in the corner": cells([0]),
    "all but a cell in the middle": cells([5]),
    "a checkerboard of cells": cells([0, 2, 5, 7, 8, 10, 13, 15]),
    "one pixel": np.eye(1, SIDE * SIDE, 70).reshape(SIDE, SIDE) > 0,
    "half of the pixels": pixels(0.5),
    "nearly all pixels": pixels(0.99),
}


def imputed(
    image: NDArray[np.float32], removed: NDArray[np.bool_], noise: float = 0.0
) -> NDArray[np.float32]:
    height, width = image.shape[1:]
    answer = PROGRAMS.imputation(
        {
            "image": image[None],
            "noise": np.full((1, 3, height, width), noise, np.float32),
            "removed": removed.reshape(1, -1),
            "segments": np.arange(height * width).reshape(height, width),
        }
    )
    images: NDArray[np.float32] = answer["images"].numpy()
    return images[0]


@pytest.mark.parametrize("name", MASKS)
def test_it_agrees_with_the_sparse_solve(name: str):
    """Noise in the image is the hardest right side; each colour has its own."""
    image = RNG.random((3, SIDE, SIDE), dtype=np.float32)
    expected = [impute(colour.astype(np.float64), MASKS[name]) for colour in image]
    np.testing.assert_allclose(imputed(image, MASKS[name]), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("shape", [(33, 47), (8, 8), (1, 50)])
def test_sides_need_not_be_powers_of_two(shape: tuple[int, int]):
    """The coarse grids are padded; the padding must not leak into the image."""
    image = RNG.random((3, *shape), dtype=np.float32)
    removed = RNG.random(shape) < 0.6
    expected = [impute(colour.astype(np.float64), removed) for colour in image]
    np.testing.assert_allclose(imputed(image, removed), expected, rtol=0, atol=TOLERANCE)


def test_pixels_that_are_not_removed_stay_bit_for_bit():
    image = RNG.random((3, SIDE, SIDE), dtype=np.float32)
    removed = pixels(0.5)
    np.testing.assert_array_equal(imputed(image, removed, noise=0.3)[:, ~removed], image[:, ~removed])


def test_noise_is_added_to_what_is_imputed():
    image = np.full((3, SIDE, SIDE), 0.25, np.float32)
    removed = pixels(0.5)
    np.testing.assert_array_equal(imputed(image, removed, noise=0.5)[:, removed], 0.75)


def test_without_any_neighbour_the_mean_colour_is_shown():
    """The system is singular when everything is removed; the answer must be finite all the same."""
    image = RNG.random((3, SIDE, SIDE), dtype=np.float32)
    shown = imputed(image, np.ones((SIDE, SIDE), np.bool_))
    mean = image.astype(np.float64).mean(axis=(1, 2))[:, None, None]
    np.testing.assert_allclose(shown, np.broadcast_to(mean, shown.shape), rtol=0, atol=1e-6)


def test_an_image_does_not_depend_on_its_neighbours_in_the_batch():
    """Otherwise a receipt would depend on the micro-batch, which is measured at start-up."""
    image = RNG.random((3, SIDE, SIDE), dtype=np.float32)
    removed = np.stack([~cells([0]), cells([5]), pixels(0.5)]).reshape(3, -1)
    inputs = {
        "image": image[None],
        "noise": np.zeros((1, 3, SIDE, SIDE), np.float32),
        "segments": EVERY_PIXEL,
    }
    together = PROGRAMS.imputation({**inputs, "removed": removed})["images"].numpy()
    for row, alone in enumerate(removed):
        single = PROGRAMS.imputation({**inputs, "removed": alone[None]})["images"].numpy()[0]
        np.testing.assert_array_equal(together[row], single)
