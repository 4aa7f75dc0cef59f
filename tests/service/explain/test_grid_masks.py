"""Sums over RISE's masks, reckoned without making the masks, against masks that are made."""

from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from service.explain.grid_masks import GridMasks

# No whole number of cells per side, and unequal sides: nothing can be confused or left out.
HEIGHT, WIDTH, CELLS = 11, 17, 3


def draw(count: int = 40, keep: float = 0.3, seed: int = 0) -> GridMasks:
    return GridMasks.draw(HEIGHT, WIDTH, cells=CELLS, keep=keep, count=count, seed=seed)


def literal(masks: GridMasks) -> NDArray[np.float64]:
    """Enlarge every grid by PyTorch to one cell more than the image, and cut the image's size out of it."""
    tall, wide = -(-HEIGHT // CELLS), -(-WIDTH // CELLS)
    enlarged = torch.nn.functional.interpolate(
        torch.from_numpy(masks.grids.astype(np.float64))[:, None],
        (tall * (CELLS + 1), wide * (CELLS + 1)),
        mode="bilinear",
        align_corners=False,
    )[:, 0].numpy()
    return np.stack(
        [
            whole[top : top + HEIGHT, left : left + WIDTH]
            for whole, (top, left) in zip(enlarged, masks.shifts, strict=True)
        ]
    )


# Interpolation weights are rounded to float32.
TOLERANCE = 4 * float(np.finfo(np.float32).eps)


def test_masks_are_enlarged_grids_cut_out_at_their_shift():
    masks = draw()
    got = masks.at(np.arange(HEIGHT), np.arange(WIDTH))
    np.testing.assert_allclose(got, literal(masks), rtol=0, atol=TOLERANCE)
    assert np.unique(masks.shifts[:, 0]).tolist() == list(range(4))
    assert np.unique(masks.shifts[:, 1]).tolist() == list(range(6))


def test_a_weighted_sum_is_the_sum_of_the_weighted_masks():
    masks = draw()
    weights = np.random.default_rng(1).standard_normal(40)
    each = masks.at(np.arange(HEIGHT), np.arange(WIDTH))
    # Sums of 40 masks in another order, in float64.
    rounding = {"rtol": 0, "atol": 100 * float(np.finfo(np.float64).eps)}
    np.testing.assert_allclose(masks.weighted_sum(weights), np.tensordot(weights, each, 1), **rounding)
    np.testing.assert_allclose(
        masks.weighted_square_sum(weights), np.tensordot(weights, each**2, 1), **rounding
    )


def test_a_sum_over_the_first_masks_leaves_out_the_others():
    masks, weights = draw(), np.ones(7)
    each = masks.at(np.arange(HEIGHT), np.arange(WIDTH))
    np.testing.assert_allclose(masks.first(7).weighted_sum(weights), each[:7].sum(axis=0), atol=1e-13)


@pytest.mark.parametrize("keep", [0.5, 0.2])
def test_mean_and_covariance_are_those_over_all_masks_that_can_be_drawn(keep: float):
    """Two cells per side: sixteen grids at each shift, weighed by how likely they are."""
    one = GridMasks.draw(5, 4, cells=2, keep=keep, count=1, seed=0)
    grids = np.array(list(product([False, True], repeat=4))).reshape(-1, 2, 2)
    shifts = np.array(list(product(range(3), range(2))))
    chance = keep ** grids.sum(axis=(1, 2)) * (1 - keep) ** (4 - grids.sum(axis=(1, 2)))
    mean, second = np.zeros((5, 4)), np.zeros((5, 4, 5, 4))
    for shift in shifts:
        here = GridMasks(5, 4, keep, one.rows, one.columns, grids, np.tile(shift, (16, 1)), (3, 2))
        each = here.at(np.arange(5), np.arange(4))
        mean += np.tensordot(chance, each, 1) / len(shifts)
        second += np.einsum("n,nyx,nij->yxij", chance, each, each) / len(shifts)
    np.testing.assert_allclose(mean, keep, atol=TOLERANCE)
    covariance = second - np.multiply.outer(mean, mean)
    lattice_rows, lattice_columns = np.array([0, 4]), np.array([1, 2, 3])
    down, right = one.covariance(lattice_rows, lattice_columns)
    expected = covariance[:, :, lattice_rows][:, :, :, lattice_columns]
    np.testing.assert_allclose(np.einsum("yi,xj->yxij", down, right), expected, atol=TOLERANCE)


def test_masks_are_random_by_the_seed_and_the_first_do_not_depend_on_how_many_follow():
    few, many, others = draw(10), draw(200), draw(10, seed=1)
    np.testing.assert_array_equal(few.grids, many.grids[:10])
    np.testing.assert_array_equal(few.shifts, many.shifts[:10])
    assert (few.grids != others.grids).any()
    share = draw(3000).grids.mean()
    # 27,000 cells: five standard deviations.
    assert abs(share - 0.3) < 5 * np.sqrt(0.3 * 0.7 / 27_000)
