"""Pooling by a norm, against torch.autograd."""

import numpy as np
import pytest
import torch
from onnx import helper
from torch.nn import functional

from tests.autograd import assert_gradient


@pytest.mark.parametrize("ceil_mode", [0, 1])
@pytest.mark.parametrize("window", [(2, 2, 0), (3, 2, 1), (3, 1, 1), (3, 3, 0), (2, 3, 0)])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_pooling_by_a_norm_has_pytorchs_gradient(
    order: int, window: tuple[int, int, int], ceil_mode: int
) -> None:
    """Of entries of both signs; PyTorch's own lp_pool2d takes no absolute value, so the definition is written out."""
    kernel, stride, pad = window
    assert_gradient(
        helper.make_node(
            "LpPool",
            ["image"],
            ["y"],
            p=order,
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[pad] * 4,
            ceil_mode=ceil_mode,
        ),
        np.random.default_rng(0).normal(size=(2, 3, 7, 8)),
        lambda x: (
            functional.avg_pool2d(x.abs() ** order, kernel, stride, pad, bool(ceil_mode), divisor_override=1)
            ** (1 / order)
        ),
    )


@pytest.mark.parametrize("shape", [(3, 7), (3, 4, 5)])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_pooling_everything_by_a_norm_has_pytorchs_gradient(order: int, shape: tuple[int, ...]) -> None:
    """In one and two dimensions."""
    axes = tuple(range(2, 1 + len(shape)))
    assert_gradient(
        helper.make_node("GlobalLpPool", ["image"], ["y"], p=order),
        np.random.default_rng(0).normal(size=(2, *shape)),
        lambda x: torch.linalg.vector_norm(x, order, axes, keepdim=True),
    )


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_norm_of_an_empty_window_has_gradient_zero(order: int) -> None:
    """torch.linalg.vector_norm's subgradient, as behind a ReLU that is shut; a quotient 0 / 0 would be NaN."""
    image = np.random.default_rng(0).normal(size=(2, 3, 4, 4))
    image[:, :, :2, 2:] = 0
    windows = helper.make_node("LpPool", ["image"], ["y"], p=order, kernel_shape=[2, 2], strides=[2, 2])
    assert_gradient(
        windows,
        image,
        lambda x: torch.linalg.vector_norm(x.reshape(2, 3, 2, 2, 2, 2).transpose(3, 4).flatten(4), order, 4),
    )
