"""Reductions against torch.autograd."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from onnx import helper

from tests.autograd import assert_gradient

Reduction = Callable[[torch.Tensor, tuple[int, ...], bool], torch.Tensor]

REDUCTIONS: dict[str, Reduction] = {
    "ReduceSum": lambda x, axes, keep: x.sum(axes, keepdim=keep),
    "ReduceMean": lambda x, axes, keep: x.mean(axes, keepdim=keep),
    "ReduceMax": lambda x, axes, keep: x.amax(axes, keepdim=keep),
    "ReduceMin": lambda x, axes, keep: x.amin(axes, keepdim=keep),
    "ReduceL1": lambda x, axes, keep: x.abs().sum(axes, keepdim=keep),
    "ReduceL2": lambda x, axes, keep: torch.linalg.vector_norm(x, dim=axes, keepdim=keep),
    "ReduceSumSquare": lambda x, axes, keep: x.square().sum(axes, keepdim=keep),
    "ReduceLogSumExp": lambda x, axes, keep: x.logsumexp(axes, keepdim=keep),
    "ReduceLogSum": lambda x, axes, keep: x.sum(axes, keepdim=keep).log(),
    "ReduceProd": lambda x, axes, keep: product(x, axes, keep=keep),
}


def product(x: torch.Tensor, axes: tuple[int, ...], *, keep: bool) -> torch.Tensor:
    """torch.prod takes one axis at a time."""
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


def pixels(operator: str, *shape: int) -> NDArray[np.float64]:
    """Of both signs, except where a logarithm is taken."""
    image = np.random.default_rng(0).normal(size=shape)
    return np.abs(image) if operator == "ReduceLogSum" else image


@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("axes", [(1,), (2, 3), (-1,), (-1, 1), (1, 2, 3)])
@pytest.mark.parametrize("operator", REDUCTIONS)
def test_a_reduction_has_pytorchs_gradient(operator: str, axes: tuple[int, ...], keep: int) -> None:
    """Over axes counted from either end, kept and dropped."""
    image = pixels(operator, 2, 3, 4, 5)
    assert_gradient(
        helper.make_node(operator, ["image", "axes"], ["y"], keepdims=keep),
        image,
        lambda x: REDUCTIONS[operator](x, axes, bool(keep)),
        constants={"axes": np.array(axes)},
    )


@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("operator", [name for name in REDUCTIONS if name != "ReduceMean"])
def test_a_reduction_over_everything_has_pytorchs_gradient(operator: str, keep: int) -> None:
    """No axes means all of them, the batch too."""
    image = pixels(operator, 2, 3, 4)
    assert_gradient(
        helper.make_node(operator, ["image"], ["y"], keepdims=keep),
        image,
        lambda x: REDUCTIONS[operator](x, (0, 1, 2), bool(keep)),
    )


@pytest.mark.parametrize("operator", ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"])
def test_a_reduction_over_no_axes_passes_everything(operator: str) -> None:
    """On request no axes means none, not all."""
    assert_gradient(
        helper.make_node(operator, ["image"], ["y"], noop_with_empty_axes=1),
        np.random.default_rng(0).normal(size=(2, 3, 4)),
        torch.clone,
    )


@pytest.mark.parametrize("operator", ["ReduceMax", "ReduceMin"])
def test_tied_extrema_share_the_gradient(operator: str) -> None:
    """As torch.amax and amin do."""
    image = np.random.default_rng(0).integers(0, 3, size=(2, 3, 4)).astype(np.float64)
    assert_gradient(
        helper.make_node(operator, ["image", "axes"], ["y"]),
        image,
        lambda x: REDUCTIONS[operator](x, (2,), True),
        constants={"axes": np.array([2])},
    )


def test_the_norm_of_zeros_has_gradient_zero() -> None:
    """torch.linalg.vector_norm's subgradient; a quotient 0 / 0 would be NaN."""
    image = np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 4.0]])
    assert_gradient(
        helper.make_node("ReduceL2", ["image", "axes"], ["y"]),
        image,
        lambda x: torch.linalg.vector_norm(x, dim=1, keepdim=True),
        constants={"axes": np.array([1])},
    )


def test_a_product_with_zeros_has_pytorchs_gradient() -> None:
    """A single zero has the product of the others for its slope; two leave every slope 0. A quotient would be NaN."""
    image = np.array([[0.0, 2.0, -3.0], [0.0, 5.0, 0.0], [2.0, -3.0, 0.5]])
    assert_gradient(
        helper.make_node("ReduceProd", ["image", "axes"], ["y"]),
        image,
        lambda x: x.prod(1, keepdim=True),
        constants={"axes": np.array([1])},
    )


@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("reverse", [0, 1])
@pytest.mark.parametrize("exclusive", [0, 1])
def test_a_cumulative_sum_has_pytorchs_gradient(axis: int, reverse: int, exclusive: int) -> None:
    """From either end, with and without the entry itself."""
    image = np.random.default_rng(0).normal(size=(2, 3, 4))

    def accumulated(x: torch.Tensor) -> torch.Tensor:
        turned = x.flip(axis) if reverse else x
        total = turned.cumsum(axis) - (turned if exclusive else 0)
        return total.flip(axis) if reverse else total

    assert_gradient(
        helper.make_node("CumSum", ["image", "axis"], ["y"], reverse=reverse, exclusive=exclusive),
        image,
        accumulated,
        constants={"axis": np.array(axis)},
    )
