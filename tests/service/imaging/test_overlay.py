"""An overlay that is shifted, mirrored or stretched accuses the wrong part of the picture."""

import io

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from service.arrays import Picture, SaliencyMap
from service.imaging.overlay import draw_overlay
from service.imaging.resize import Box
from tests.server import ROOT

GREY = 128


def _read(data: bytes) -> NDArray[np.int64]:
    image = PIL.Image.open(io.BytesIO(data))
    assert image.mode == "RGB"
    return np.asarray(image).astype(np.int64)


def _grey(height: int, width: int) -> Picture:
    return np.full((height, width, 3), GREY, np.uint8)


def _spot(row: int, column: int, value: float = 1.0, size: int = 16) -> SaliencyMap:
    saliency = np.zeros((size, size), np.float32)
    saliency[row, column] = value
    return saliency


def _centre_of_change(overlay: NDArray[np.int64]) -> tuple[float, float]:
    """Row and column, as shares of the sides, of what differs from the bare grey picture."""
    change = np.abs(overlay - GREY).sum(axis=2).astype(np.float64)
    rows, columns = np.indices(change.shape) + 0.5
    total = change.sum()
    return (
        float((change * rows).sum() / total / change.shape[0]),
        float((change * columns).sum() / total / change.shape[1]),
    )


@pytest.mark.parametrize(("row", "column"), [(4, 4), (4, 11), (11, 4), (8, 2)])
def test_a_spot_of_the_map_lies_where_it_belongs(row: int, column: int) -> None:
    """The centre of pixel (r, c) of 16 is at share (r + 1/2) / 16. Linear interpolation keeps the centroid."""
    overlay = _read(draw_overlay(_grey(300, 400), _spot(row, column), Box(50, 0, 300, 300)))

    found = _centre_of_change(overlay)

    np.testing.assert_allclose(found, ((row + 0.5) / 16, (column + 0.5) / 16), atol=1 / overlay.shape[0])


def test_a_wide_box_stretches_the_map_with_it() -> None:
    """Stretch policies see a 2:1 picture as a square; on the overlay it is 2:1 again."""
    overlay = _read(draw_overlay(_grey(300, 600), _spot(4, 12), Box(0, 0, 600, 300)))

    assert overlay.shape == (300, 600, 3)
    np.testing.assert_allclose(_centre_of_change(overlay), (4.5 / 16, 12.5 / 16), atol=1 / 300)


def test_padding_is_cut_from_the_overlay() -> None:
    """A letterbox of 600 x 300 fills rows 4 to 11 of 16; row 6 is 2.5 of those 8 rows down."""
    overlay = _read(draw_overlay(_grey(300, 600), _spot(6, 8), Box(0, -150, 600, 600)))

    assert overlay.shape == (300, 600, 3)
    np.testing.assert_allclose(_centre_of_change(overlay), (2.5 / 8, 8.5 / 16), atol=1 / 300)


def test_only_the_region_that_the_model_saw_is_shown() -> None:
    """What lies outside the crop had no influence; showing it uncoloured would say "no evidence"."""
    picture = _grey(300, 400)
    picture[:, :50] = (255, 0, 0)
    picture[:, 350:] = (255, 0, 0)

    overlay = _read(draw_overlay(picture, np.zeros((16, 16), np.float32), Box(50, 0, 300, 300)))

    assert (overlay == GREY).all()


@pytest.mark.parametrize(
    ("side", "expected"), [(64, (512, 512)), (300, (512, 512)), (800, (800, 800)), (3000, (1024, 1024))]
)
def test_an_overlay_has_a_readable_size(side: int, expected: tuple[int, int]) -> None:
    """Thumbnails are enlarged, photographs reduced, what is between is left alone."""
    overlay = _read(draw_overlay(_grey(side, side), _spot(3, 3), Box(0, 0, side, side)))

    assert overlay.shape[:2] == expected


def test_a_map_of_zeros_leaves_the_picture_bare() -> None:
    """No evidence must not be painted as some evidence."""
    overlay = _read(draw_overlay(_grey(600, 600), np.zeros((16, 16), np.float32), Box(0, 0, 600, 600)))

    assert (overlay == GREY).all()


def test_the_signs_of_a_map_can_be_told_apart() -> None:
    """For the target in vermilion (more red than blue), against it in blue."""
    saliency = _spot(4, 4, 1.0) + _spot(11, 11, -1.0)

    overlay = _read(draw_overlay(_grey(512, 512), saliency, Box(0, 0, 512, 512)))

    supports, opposes = overlay[144, 144], overlay[368, 368]
    assert supports[0] > supports[2] + 80
    assert opposes[2] > opposes[0] + 80


def test_scaling_a_map_does_not_change_its_overlay() -> None:
    """Colours are relative to the map's own strongest values, as documented."""
    saliency = np.random.default_rng(0).random((16, 16)).astype(np.float32)
    box = Box(0, 0, 512, 512)

    assert draw_overlay(_grey(512, 512), saliency, box) == draw_overlay(_grey(512, 512), 1024 * saliency, box)


def test_a_crop_of_a_sliver_is_drawn() -> None:
    """An 8 x 4000 picture is accepted, so its overlay must exist too."""
    overlay = _read(draw_overlay(_grey(4000, 8), _spot(3, 3), Box(0.4, 1996.0, 7, 7)))

    assert overlay.shape == (512, 512, 3)


def test_a_jpeg_overlay_shows_what_a_png_shows() -> None:
    """On a photograph: not to be told apart by eye, which takes two levels or more over whole areas."""
    photo = np.asarray(PIL.Image.open(ROOT / "samples" / "coffee.jpg"))
    saliency = np.random.default_rng(0).normal(size=(7, 7)).astype(np.float32)
    box = Box(100, 0, 400, 400)
    exact, small = (draw_overlay(photo, saliency, box, encoding) for encoding in ("png", "jpeg"))

    assert PIL.Image.open(io.BytesIO(small)).format == "JPEG"
    assert np.abs(_read(exact) - _read(small)).mean() < 2
    assert len(small) < len(exact) / 4
