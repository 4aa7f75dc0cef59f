"""Reading a map at computed places, against torch.autograd."""

import numpy as np
import pytest
import torch
from onnx import helper
from torch.nn import functional

from service.errors import UnsupportedOperatorError
from tests.autograd import assert_gradient

BORDERS = ["zeros", "border"]
PIXELS = np.random.default_rng(1).normal(size=(2, 3, 5, 6))


def whole(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@pytest.mark.parametrize("align", [0, 1])
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_a_map_read_where_it_says_has_pytorchs_gradient(mode: str, border: str, align: int) -> None:
    """Pixels and places both come from the image, as in a spatial transformer; a third of the places lie outside."""
    nodes = [
        helper.make_node("Slice", ["image", "starts", "ends", "axes"], ["coordinates"]),
        helper.make_node("Transpose", ["coordinates"], ["grid"], perm=[0, 2, 3, 1]),
        helper.make_node(
            "GridSample", ["image", "grid"], ["y"], mode=mode, padding_mode=border, align_corners=align
        ),
    ]
    image = np.random.default_rng(0).normal(scale=0.75, size=(2, 3, 5, 6))
    assert_gradient(
        nodes,
        image,
        lambda x: functional.grid_sample(
            x, x[:, 1:3, :4].permute(0, 2, 3, 1), mode, border, align_corners=bool(align)
        ),
        constants={"starts": whole(1, 0), "ends": whole(3, 4), "axes": whole(1, 2)},
    )


@pytest.mark.parametrize("border", BORDERS)
def test_places_on_pixels_and_on_the_border_have_pytorchs_gradient(border: str) -> None:
    """The identity puts every place on a pixel, where the slope jumps; a repeated border has the slope 0."""
    rows, columns = np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 9), indexing="ij")
    grid = np.stack([columns, rows], -1)
    pixels = torch.tensor(PIXELS[:, :, :, :5].astype(np.float32).astype(np.float64))
    assert_gradient(
        helper.make_node("GridSample", ["pixels", "image"], ["y"], padding_mode=border, align_corners=1),
        np.stack([grid, 1.5 * grid]),
        lambda x: functional.grid_sample(pixels, x, "bilinear", border, align_corners=True),
        constants={"pixels": pixels.numpy()},
        free_batch=False,
    )


@pytest.mark.parametrize("shape", [(2, 3, 1, 6), (2, 3, 5, 1)])
@pytest.mark.parametrize("border", BORDERS)
def test_a_single_row_or_column_has_pytorchs_gradient(border: str, shape: tuple[int, ...]) -> None:
    """One pixel high or wide; what is read between it and nothing counts in part."""
    grid = np.random.default_rng(2).uniform(-1.2, 1.2, size=(2, 4, 7, 2))
    places = torch.tensor(grid.astype(np.float32).astype(np.float64))
    assert_gradient(
        helper.make_node("GridSample", ["image", "grid"], ["y"], padding_mode=border),
        np.random.default_rng(0).normal(size=shape),
        lambda x: functional.grid_sample(x, places, "bilinear", border, align_corners=False),
        constants={"grid": grid},
        free_batch=False,
    )


@pytest.mark.parametrize(
    "attributes", [{"mode": "bicubic"}, {"padding_mode": "reflection"}], ids=["bicubic", "reflection"]
)
def test_other_ways_to_read_are_refused(attributes: dict[str, str]) -> None:
    """No classifier with them was met."""
    with pytest.raises(UnsupportedOperatorError, match=f"GridSample.*{next(iter(attributes.values()))}"):
        assert_gradient(
            helper.make_node("GridSample", ["image", "grid"], ["y"], **attributes),
            PIXELS,
            lambda x: x[:, :, :2, :2],
            constants={"grid": np.zeros((2, 2, 2, 2))},
            free_batch=False,
        )
