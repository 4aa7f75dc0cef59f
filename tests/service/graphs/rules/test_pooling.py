"""Pooling against torch.autograd, over its attributes."""

import numpy as np
import pytest
from onnx import helper
from torch.nn import functional

from service.errors import UnsupportedOperatorError
from tests.autograd import assert_gradient

WINDOWS = [(2, 2, 0), (3, 2, 1), (3, 1, 1), (3, 3, 0), (2, 1, 0), (3, 2, 0), (1, 1, 0), (1, 2, 0), (7, 7, 3)]
"""Kernel, stride, padding."""

SKIPS = {"ceil_mode": 1, "count_include_pad": 1}
"""Only so does ONNX Runtime run an average pooling of opset 18 whose automatic padding is negative."""


@pytest.mark.parametrize("length", [12, 13])
@pytest.mark.parametrize("ceil_mode", [0, 1])
@pytest.mark.parametrize("count_include_pad", [0, 1])
@pytest.mark.parametrize("window", WINDOWS)
def test_an_average_pool_has_pytorchs_gradient(
    window: tuple[int, int, int], count_include_pad: int, ceil_mode: int, length: int
) -> None:
    """The divisor of each window depends on padding and overhang."""
    kernel, stride, pad = window
    image = np.random.default_rng(0).normal(size=(2, 3, length, length + 1))
    assert_gradient(
        helper.make_node(
            "AveragePool",
            ["image"],
            ["y"],
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[pad] * 4,
            count_include_pad=count_include_pad,
            ceil_mode=ceil_mode,
        ),
        image,
        lambda x: functional.avg_pool2d(x, kernel, stride, pad, bool(ceil_mode), bool(count_include_pad)),
    )


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
def test_an_average_pool_that_skips_the_last_entry(mode: str) -> None:
    """Automatic padding is then -1, and every runtime reads from the first entry on."""
    assert_gradient(
        helper.make_node(
            "AveragePool", ["image"], ["y"], kernel_shape=[1, 1], strides=[2, 2], **SKIPS, auto_pad=mode
        ),
        np.random.default_rng(0).normal(size=(2, 3, 4, 6)),
        lambda x: x[:, :, ::2, ::2],
    )


@pytest.mark.parametrize(
    ("kernel", "stride", "length", "mode"),
    [(1, 3, 6, "SAME_UPPER"), (2, 4, 8, "SAME_UPPER"), (1, 5, 5, "SAME_LOWER"), (2, 5, 5, "SAME_LOWER")],
)
def test_an_average_pool_that_cuts_off_at_the_front_is_refused(
    kernel: int, stride: int, length: int, mode: str
) -> None:
    """ONNX Runtime's first window then starts behind the first entry; its gradient used to land at the first."""
    with pytest.raises(UnsupportedOperatorError, match=r"AveragePool.*automatic padding"):
        assert_gradient(
            helper.make_node(
                "AveragePool",
                ["image"],
                ["y"],
                kernel_shape=[kernel] * 2,
                strides=[stride] * 2,
                **SKIPS,
                auto_pad=mode,
            ),
            np.random.default_rng(0).normal(size=(2, 3, length, length)),
            lambda x: functional.avg_pool2d(x, kernel, stride),
        )


@pytest.mark.parametrize("length", [12, 13])
@pytest.mark.parametrize("ceil_mode", [0, 1])
@pytest.mark.parametrize("window", WINDOWS)
def test_a_max_pool_has_pytorchs_gradient(window: tuple[int, int, int], ceil_mode: int, length: int) -> None:
    """Overlapping windows add up where they share a maximum."""
    kernel, stride, pad = window
    image = np.random.default_rng(0).normal(size=(2, 3, length, length + 1))
    assert_gradient(
        helper.make_node(
            "MaxPool",
            ["image"],
            ["y"],
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[pad] * 4,
            ceil_mode=ceil_mode,
        ),
        image,
        lambda x: functional.max_pool2d(x, kernel, stride, pad, 1, bool(ceil_mode)),
    )


def test_a_dilated_max_pool_has_pytorchs_gradient() -> None:
    """Taps two apart."""
    image = np.random.default_rng(0).normal(size=(2, 3, 12, 13))
    assert_gradient(
        helper.make_node("MaxPool", ["image"], ["y"], kernel_shape=[3, 3], dilations=[2, 2], pads=[1] * 4),
        image,
        lambda x: functional.max_pool2d(x, 3, 1, 1, 2),
    )


@pytest.mark.parametrize("window", WINDOWS)
def test_tied_maxima_give_the_gradient_to_the_first(window: tuple[int, int, int]) -> None:
    """After a ReLU whole windows are 0; PyTorch then picks the first in row-major order."""
    kernel, stride, pad = window
    image = np.random.default_rng(0).integers(-2, 2, size=(2, 3, 12, 13)).clip(0).astype(np.float64)
    assert_gradient(
        helper.make_node(
            "MaxPool", ["image"], ["y"], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4
        ),
        image,
        lambda x: functional.max_pool2d(x, kernel, stride, pad),
    )


@pytest.mark.parametrize("shape", [(3, 5, 7), (3, 9), (2, 3, 4, 5)])
def test_global_pools_have_pytorchs_gradient(shape: tuple[int, ...]) -> None:
    """In one, two and three dimensions."""
    image = np.random.default_rng(0).normal(size=(2, *shape))
    axes = tuple(range(2, image.ndim))
    assert_gradient(
        helper.make_node("GlobalAveragePool", ["image"], ["y"]), image, lambda x: x.mean(axes, keepdim=True)
    )
    assert_gradient(
        helper.make_node("GlobalMaxPool", ["image"], ["y"]),
        image,
        lambda x: x.flatten(2).max(2).values.reshape(*x.shape[:2], *[1] * len(axes)),
    )


def test_tied_global_maxima_give_the_gradient_to_the_first() -> None:
    """As torch's adaptive_max_pool2d does."""
    image = np.random.default_rng(0).integers(0, 3, size=(2, 3, 4, 5)).astype(np.float64)
    assert_gradient(
        helper.make_node("GlobalMaxPool", ["image"], ["y"]),
        image,
        lambda x: functional.adaptive_max_pool2d(x, 1),
    )


@pytest.mark.parametrize("size", [3, 5])
def test_local_response_normalisation_has_pytorchs_gradient(size: int) -> None:
    """AlexNet's and GoogLeNet's; ONNX Runtime takes odd windows only."""
    image = np.random.default_rng(0).normal(size=(2, 6, 4, 5))
    assert_gradient(
        helper.make_node("LRN", ["image"], ["y"], size=size, alpha=0.25, beta=0.75, bias=2.0),
        image,
        lambda x: functional.local_response_norm(x, size, 0.25, 0.75, 2.0),
    )


def test_a_max_pool_that_counts_by_columns_is_refused() -> None:
    """ONNX Runtime then numbers the maxima column by column, and their cotangents would land in other places."""
    with pytest.raises(UnsupportedOperatorError, match="storage_order"):
        assert_gradient(
            helper.make_node("MaxPool", ["image"], ["y"], kernel_shape=[2, 2], storage_order=1),
            np.random.default_rng(0).normal(size=(2, 3, 4, 5)),
            lambda x: functional.max_pool2d(x, 2, 1),
        )
