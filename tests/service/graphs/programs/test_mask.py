"""The soft masks against literal float64 numpy, pixel by pixel."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from service.runtime.device import choose_device
from service.runtime.programs import Programs
from tests.devices import DEVICES

RNG = np.random.default_rng(21)
HEIGHT, WIDTH = 6, 9
IMAGE = RNG.random((1, 3, HEIGHT, WIDTH), dtype=np.float32)
BASELINE = RNG.random((1, 3, HEIGHT, WIDTH), dtype=np.float32)
EPSILON = float(np.finfo(np.float32).eps)


@pytest.fixture(scope="module", params=DEVICES)
def programs(request: pytest.FixtureRequest) -> Programs:
    return Programs(choose_device(request.param))


def blend(mask: NDArray[np.float64]) -> NDArray[np.float64]:
    return BASELINE[0] + mask * (IMAGE[0].astype(np.float64) - BASELINE[0])


def test_grids_are_enlarged_cut_out_at_their_shift_and_blended(programs: Programs):
    """Two different matrices and shifts: rows and columns cannot be confused."""
    rows = RNG.random((HEIGHT + 2, 3), dtype=np.float32)
    columns = RNG.random((WIDTH + 3, 4), dtype=np.float32)
    grids = (RNG.random((5, 3, 4)) < 0.5).astype(np.float32)
    shifts = np.array([[0, 0], [1, 2], [1, 0], [0, 2], [1, 1]])
    got = programs.shifted_grids(
        {
            "image": IMAGE,
            "baseline": BASELINE,
            "grids": grids,
            "shifts": shifts,
            "rows": rows,
            "columns": columns,
        }
    )["images"].numpy()
    for n, (top, left) in enumerate(shifts):
        mask = np.zeros((HEIGHT, WIDTH))
        for y in range(HEIGHT):
            for x in range(WIDTH):
                for i in range(3):
                    for j in range(4):
                        mask[y, x] += float(rows[y + top, i]) * grids[n, i, j] * float(columns[x + left, j])
        # Masks up to 12, each a sum of 12 products of two factors, then three operations on values below 12.
        np.testing.assert_allclose(got[n], blend(mask), rtol=0, atol=12 * 20 * EPSILON)


def test_a_disc_is_a_gaussian_hole_around_its_centre(programs: Programs):
    centres = np.array([[0, 0], [2.5, 7], [5, 3]], np.float32)
    inputs = {"image": IMAGE, "baseline": BASELINE, "deviation": np.array(1.5, np.float32)}
    got = programs.discs({**inputs, "centres": centres})["images"].numpy()
    for n, (row, column) in enumerate(centres.astype(float)):
        mask = np.array(
            [
                [1 - math.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * 1.5**2)) for x in range(WIDTH)]
                for y in range(HEIGHT)
            ]
        )
        # Exponents down to -16 pass their relative error on to values that are then small; values below 1.
        np.testing.assert_allclose(got[n], blend(mask), rtol=0, atol=16 * EPSILON)
    np.testing.assert_array_equal(got[0, :, 0, 0], BASELINE[0, :, 0, 0])


def test_a_feature_mask_is_the_enlarged_map_stretched_to_its_range(programs: Programs):
    """Map 2 is flat: it keeps nothing, where a division by its range would be 0 / 0."""
    features = RNG.standard_normal((1, 4, 2, 3)).astype(np.float32)
    features[0, 2] = 0.7
    rows, columns = np.zeros((HEIGHT, 2), np.float32), np.zeros((3, WIDTH), np.float32)
    rows[np.arange(HEIGHT), np.arange(HEIGHT) // 3] = 1
    columns[np.arange(WIDTH) // 3, np.arange(WIDTH)] = 1
    chosen = np.array([3, 2, 0])
    got = programs.feature_masks(
        {
            "image": IMAGE,
            "baseline": BASELINE,
            "features": features,
            "chosen": chosen,
            "rows": rows,
            "columns": columns,
        }
    )["images"].numpy()
    for n, channel in enumerate(chosen):
        enlarged = features[0, channel].astype(float).repeat(3, axis=0).repeat(3, axis=1)
        spread = np.ptp(enlarged)
        mask = (enlarged - enlarged.min()) / spread if spread else np.zeros_like(enlarged)
        np.testing.assert_allclose(got[n], blend(mask), rtol=0, atol=16 * EPSILON)


def test_cells_replaces_exactly_the_pixels_of_the_removed_cells(programs: Programs):
    """The same as the general program for segments, by another way."""
    row_cell, column_cell = np.arange(HEIGHT) * 2 // HEIGHT, np.arange(WIDTH) * 4 // WIDTH
    removed = RNG.random((5, 2, 4)) < 0.5
    inputs = {"image": IMAGE, "replacement": BASELINE}
    got = programs.cells({**inputs, "removed": removed, "row_cell": row_cell, "column_cell": column_cell})
    segments = row_cell[:, None] * 4 + column_cell
    expected = programs.segments({**inputs, "removed": removed.reshape(5, 8), "segments": segments})
    np.testing.assert_array_equal(got["images"].numpy(), expected["images"].numpy())
