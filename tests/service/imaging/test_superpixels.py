"""What LIME and KernelSHAP switch on and off."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.imaging.superpixels import grid_segments, grid_shape, superpixels

RNG = np.random.default_rng(11)


def check_partition(segments: np.ndarray) -> None:
    """Numbered from 0 without gaps, every number one connected patch."""
    numbers = np.unique(segments)
    assert numbers.tolist() == list(range(len(numbers)))
    for number in numbers:
        pieces, _ = cv2.connectedComponents((segments == number).astype(np.uint8), connectivity=4)
        assert pieces == 2, f"superpixel {number} is in {pieces - 1} pieces"


@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    count=st.integers(1, 80),
    seed=st.integers(0, 9),
    flat=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_every_pixel_belongs_to_one_connected_superpixel(
    height: int, width: int, count: int, seed: int, *, flat: bool
):
    """Also of noise, in which edges are everywhere, and of a flat image, which has none."""
    noise = np.random.default_rng(seed).random((3, height, width), dtype=np.float32)
    segments = superpixels(np.zeros_like(noise) if flat else noise, count)
    assert segments.shape == (height, width)
    check_partition(segments)


@pytest.mark.parametrize("count", [1, 16, 64, 200])
def test_there_are_about_as_many_as_asked_for(count: int):
    smooth = cv2.GaussianBlur(RNG.random((224, 224, 3)).astype(np.float32), (0, 0), 8).transpose(2, 0, 1)
    assert superpixels(smooth, count).max() + 1 == pytest.approx(count, rel=0.15)


def test_a_border_of_colour_is_a_border_of_superpixels():
    """A disc, which no grid could follow: its superpixels and the rest's overlap in a rim of smoothing only."""
    row, column = np.mgrid[:100, :100]
    inside = (row - 46) ** 2 + (column - 55) ** 2 < 30**2
    picture = np.where(inside, np.float32(0.9), np.float32(0.2))
    segments = superpixels(np.stack([picture] * 3), 25)
    share = np.bincount(segments.ravel(), inside.ravel()) / np.bincount(segments.ravel())
    majority = (share > 0.5)[segments]
    assert np.mean(majority != inside) < 0.01
    grid = grid_segments(100, 100, 25)
    share_of_grid = np.bincount(grid.ravel(), inside.ravel()) / np.bincount(grid.ravel())
    assert np.mean((share_of_grid > 0.5)[grid] != inside) > 0.04


def test_the_same_image_has_the_same_superpixels():
    pixels = RNG.random((3, 50, 70), dtype=np.float32)
    np.testing.assert_array_equal(superpixels(pixels, 30), superpixels(pixels.copy(), 30))


def test_cells_of_a_grid_are_as_equal_as_whole_pixels_allow():
    rows, columns = grid_shape(50, 31, 20)
    size = np.bincount(grid_segments(50, 31, 20).ravel())
    assert len(size) == rows * columns
    assert size.max() <= -(-50 // rows) * -(-31 // columns)
    assert size.min() >= (50 // rows) * (31 // columns)
