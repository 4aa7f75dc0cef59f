"""Operators that rearrange, copy or drop elements, against torch.autograd."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from onnx import NodeProto, helper
from torch.nn import functional

from tests.autograd import assert_gradient


def whole(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


MOVES: dict[str, tuple[NodeProto, np.ndarray | None, Callable[[torch.Tensor], torch.Tensor]]] = {
    "reshape, batch kept": (
        helper.make_node("Reshape", ["image", "c"], ["y"]),
        whole(0, -1),
        lambda x: x.reshape(len(x), -1),
    ),
    "reshape, batch merged": (
        helper.make_node("Reshape", ["image", "c"], ["y"]),
        whole(-1, 5),
        lambda x: x.reshape(-1, 5),
    ),
    "flatten": (
        helper.make_node("Flatten", ["image"], ["y"], axis=2),
        None,
        lambda x: x.flatten(0, 1).flatten(1),
    ),
    "unsqueeze": (
        helper.make_node("Unsqueeze", ["image", "c"], ["y"]),
        whole(1, -1),
        lambda x: x[:, None, ..., None],
    ),
    "transpose": (
        helper.make_node("Transpose", ["image"], ["y"], perm=[2, 0, 3, 1]),
        None,
        lambda x: x.permute(2, 0, 3, 1),
    ),
    "transpose by default": (
        helper.make_node("Transpose", ["image"], ["y"]),
        None,
        lambda x: x.permute(3, 2, 1, 0),
    ),
    "expand": (
        helper.make_node("Expand", ["image", "c"], ["y"]),
        whole(3, 1, 1, 1, 1),
        lambda x: x.expand(3, *x.shape),
    ),
    "tile": (
        helper.make_node("Tile", ["image", "c"], ["y"]),
        whole(1, 2, 1, 3),
        lambda x: x.tile(1, 2, 1, 3),
    ),
    "tile the batch": (
        helper.make_node("Tile", ["image", "c"], ["y"]),
        whole(2, 1, 1, 1),
        lambda x: x.tile(2, 1, 1, 1),
    ),
    "lower triangle": (helper.make_node("Trilu", ["image"], ["y"], upper=0), None, torch.tril),
    "upper triangle": (helper.make_node("Trilu", ["image", "c"], ["y"]), np.array(1), lambda x: x.triu(1)),
    "shuffle nothing": (helper.make_node("DepthToSpace", ["image"], ["y"], blocksize=1), None, torch.clone),
}


@pytest.mark.parametrize("name", MOVES)
def test_moving_elements_has_pytorchs_gradient(name: str) -> None:
    """With the batch kept, merged and repeated."""
    node, constant, reference = MOVES[name]
    image = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    assert_gradient(node, image, reference, constants={} if constant is None else {"c": constant})


def test_squeezing_has_pytorchs_gradient() -> None:
    """Axes of length 1, counted from either end."""
    image = np.random.default_rng(0).normal(size=(2, 1, 4, 1))
    assert_gradient(
        helper.make_node("Squeeze", ["image", "axes"], ["y"]),
        image,
        lambda x: x[:, 0, :, 0],
        constants={"axes": whole(1, -1)},
    )


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_channels_to_pixels_has_pytorchs_gradient(mode: str) -> None:
    """CRD is torch's pixel_shuffle; DCR is TensorFlow's order."""
    image = np.random.default_rng(0).normal(size=(2, 12, 3, 5))

    def shuffled(x: torch.Tensor) -> torch.Tensor:
        if mode == "DCR":
            x = x.reshape(2, 4, 3, 3, 5).transpose(1, 2).reshape(2, 12, 3, 5)
        return functional.pixel_shuffle(x, 2)

    assert_gradient(
        helper.make_node("DepthToSpace", ["image"], ["y"], blocksize=2, mode=mode), image, shuffled
    )


def test_pixels_to_channels_has_pytorchs_gradient() -> None:
    """ONNX puts the block before the channel, torch after it."""
    image = np.random.default_rng(0).normal(size=(2, 3, 4, 6))
    assert_gradient(
        helper.make_node("SpaceToDepth", ["image"], ["y"], blocksize=2),
        image,
        lambda x: (
            functional.pixel_unshuffle(x, 2).reshape(2, 3, 4, 2, 3).transpose(1, 2).reshape(2, 12, 2, 3)
        ),
    )


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [
        ([1], [3], [1], [1]),
        ([0], [9], [2], [2]),
        ([1], [2**31], [2], [3]),
        ([-3], [-1], [2], [1]),
        ([0, 1], [4, 8], [1, 2], [2, 2]),
        ([1, 0], [100, 100], [-1, -2], [2, 3]),
        ([-1], [-100], [2], [-1]),
        ([5], [1], [-1], [-2]),
        ([1], [2], [0], [1]),
        ([0], [3], [1], [1]),
    ],
)
def test_a_slice_has_pytorchs_gradient(
    starts: list[int], ends: list[int], axes: list[int], steps: list[int]
) -> None:
    """Forwards, backwards, with steps, beyond the end, along the batch."""
    image = np.random.default_rng(0).normal(size=(2, 4, 9))
    positions = [np.arange(length) for length in image.shape]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        last = None if end < -image.shape[axis] else end
        positions[axis] = positions[axis][start:last:step]
    index = torch.tensor(np.ravel_multi_index(np.ix_(*positions), image.shape))
    assert_gradient(
        helper.make_node("Slice", ["image", "starts", "ends", "axes", "steps"], ["y"]),
        image,
        lambda x: x.reshape(-1)[index],
        constants={
            "starts": whole(*starts),
            "ends": whole(*ends),
            "axes": whole(*axes),
            "steps": whole(*steps),
        },
        free_batch=0 not in axes,
    )


def test_a_slice_to_computed_bounds_has_pytorchs_gradient() -> None:
    """The TorchScript exporter cuts what torch.scatter_add adds to the shape of its index, the batch included."""
    nodes = [
        helper.make_node("Shape", ["image"], ["lengths"]),
        helper.make_node("Div", ["lengths", "parts"], ["ends"]),
        helper.make_node("Slice", ["image", "starts", "ends"], ["y"]),
    ]
    assert_gradient(
        nodes,
        np.random.default_rng(0).normal(size=(2, 4, 9)),
        lambda x: x[:, 1:2, :3],
        constants={"starts": whole(0, 1, 0), "parts": whole(1, 2, 3)},
    )


@pytest.mark.parametrize("axis", [1, -1])
def test_joining_has_pytorchs_gradient(axis: int) -> None:
    """Pieces of different lengths, one of which is no image."""
    random = np.random.default_rng(0)
    image, other = random.normal(size=(2, 3, 3)), random.normal(size=(1, 3, 3))
    nodes = [
        helper.make_node("Slice", ["image", "zero", "two", "axis"], ["part"]),
        helper.make_node("Shape", ["image"], ["batch"], start=0, end=1),
        helper.make_node("Concat", ["batch", "ones"], ["lengths"], axis=0),
        helper.make_node("Expand", ["other", "lengths"], ["others"]),
        helper.make_node("Concat", ["image", "others", "part"], ["y"], axis=axis),
    ]
    fixed = torch.tensor(other.astype(np.float32).astype(np.float64))
    assert_gradient(
        nodes,
        image,
        lambda x: torch.cat([x, fixed.expand(len(x), 3, 3), x.narrow(axis, 0, 2)], axis),
        constants={
            "other": other,
            "zero": whole(0),
            "two": whole(2),
            "axis": whole(axis),
            "ones": whole(1, 1),
        },
    )


@pytest.mark.parametrize("used", [(0, 1), (1, 2), (2, 0)])
def test_cutting_has_pytorchs_gradient(used: tuple[int, int]) -> None:
    """A piece that nobody uses gets zeros."""
    image = np.random.default_rng(0).normal(size=(2, 6, 5))
    pieces = ["a", "b", "c"]
    nodes = [
        helper.make_node("Split", ["image", "lengths"], pieces, axis=-2),
        helper.make_node("Mul", [pieces[used[0]], pieces[used[1]]], ["y"]),
    ]

    def product(x: torch.Tensor) -> torch.Tensor:
        parts = torch.split(x, 2, 1)
        return torch.mul(parts[used[0]], parts[used[1]])

    assert_gradient(nodes, image, product, constants={"lengths": whole(2, 2, 2)})


def test_cutting_into_equal_pieces_has_pytorchs_gradient() -> None:
    """Without stated lengths."""
    image = np.random.default_rng(0).normal(size=(2, 6, 5))
    nodes = [
        helper.make_node("Split", ["image"], ["a", "b"], axis=1, num_outputs=2),
        helper.make_node("Mul", ["a", "b"], ["y"]),
    ]
    assert_gradient(nodes, image, lambda x: x[:, :3] * x[:, 3:])


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
@pytest.mark.parametrize("pads", [(0, 0, 1, 2, 0, 0, 2, 1), (0, 0, 0, 3, 0, 0, 0, 0)])
def test_a_border_has_pytorchs_gradient(mode: str, pads: tuple[int, ...]) -> None:
    """A mirrored border gives its gradient back to what it mirrors."""
    image = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    width = [pads[3], pads[7], pads[2], pads[6]]
    assert_gradient(
        helper.make_node("Pad", ["image", "pads"], ["y"], mode=mode),
        image,
        lambda x: functional.pad(x, width, mode={"edge": "replicate"}.get(mode, mode)),
        constants={"pads": whole(*pads)},
    )


def test_a_border_along_named_axes_and_a_negative_one() -> None:
    """Negative padding cuts off."""
    image = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    assert_gradient(
        helper.make_node("Pad", ["image", "pads", "value", "axes"], ["y"]),
        image,
        lambda x: functional.pad(x, [2, -1], value=3.0),
        constants={"pads": whole(2, -1), "value": np.array(3.0), "axes": whole(-1)},
    )
