"""Convolutions against torch.autograd, over their attributes."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from onnx import helper
from torch.nn import functional

from service.errors import UnsupportedOperatorError
from tests.autograd import assert_gradient


@dataclass(frozen=True)
class Case:
    kernel: tuple[int, ...]
    stride: int = 1
    pad: int = 0
    dilation: int = 1
    groups: int = 1
    inputs: int = 4
    outputs: int = 6


CASES = [
    Case((3, 3), pad=1),
    Case((3, 3), stride=2, pad=1),
    Case((5, 5), stride=2, pad=2, groups=4, outputs=4),  # depthwise
    Case((3, 3), stride=2, groups=4, outputs=4),
    Case((2, 2), stride=3, groups=4, outputs=4),  # rows that no window sees
    Case((3, 3), stride=2, pad=4, dilation=2, groups=4, outputs=4),
    Case((1, 1), stride=2, pad=1, groups=4, outputs=4),  # more padding than the kernel reaches
    Case((3,), stride=2, pad=1, groups=4, outputs=4),
    Case((5, 5), pad=2, groups=4, outputs=8),  # depthwise with a multiplier
    Case((3, 3), pad=1, groups=2),
    Case((3, 3), pad=2, dilation=2, groups=2),
    Case((3, 3), stride=2, pad=1, dilation=2),
    Case((3, 3), stride=2, groups=2, outputs=8),
    Case((1, 1)),
    Case((1, 1), stride=2),
    Case((1, 1), pad=1),  # more padding than the kernel reaches
    Case((7, 7), stride=2, pad=3, inputs=3, outputs=64),  # the stem of a ResNet
    Case((3, 3), stride=2, inputs=3, outputs=32),  # of an Inception
    Case((4, 4), stride=4, inputs=3, outputs=48),  # of a transformer
    Case((11, 11), stride=4, pad=2, inputs=3, outputs=64),  # of an AlexNet
    Case((2, 3), stride=3, pad=1, inputs=1, outputs=16),
    Case((2, 2), pad=1),  # even kernels
    Case((3, 3), pad=2),  # full padding
    Case((5,), stride=2, pad=2),
    Case((3, 3, 3), pad=1),
]


def exact(value: np.ndarray) -> torch.Tensor:
    return torch.tensor(value.astype(np.float32).astype(np.float64))


@pytest.mark.parametrize("length", [11, 12])
@pytest.mark.parametrize("case", CASES)
def test_a_convolution_has_pytorchs_gradient(case: Case, length: int) -> None:
    """Two lengths, so that strides leave remainders behind."""
    axes = len(case.kernel)
    random = np.random.default_rng(0)
    image = random.normal(size=(2, case.inputs, *(length + i if axes < 3 else 6 for i in range(axes))))
    weights = random.normal(size=(case.outputs, case.inputs // case.groups, *case.kernel))
    function = (functional.conv1d, functional.conv2d, functional.conv3d)[axes - 1]
    assert_gradient(
        helper.make_node(
            "Conv",
            ["image", "weights"],
            ["y"],
            strides=[case.stride] * axes,
            pads=[case.pad] * 2 * axes,
            dilations=[case.dilation] * axes,
            group=case.groups,
        ),
        image,
        lambda x: function(
            x,
            exact(weights),
            stride=case.stride,
            padding=case.pad,
            dilation=case.dilation,
            groups=case.groups,
        ),
        constants={"weights": weights},
    )


@pytest.mark.parametrize("strides", [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("pads", [(0, 1, 2, 1), (1, 0, 0, 0), (0, 0, 1, 1)])
def test_uneven_padding_and_strides(pads: tuple[int, ...], strides: tuple[int, ...]) -> None:
    """TensorFlow's SAME padding is uneven; so are some exports'."""
    random = np.random.default_rng(0)
    image, weights = random.normal(size=(2, 3, 11, 12)), random.normal(size=(5, 3, 3, 3))
    top, left, bottom, right = pads
    assert_gradient(
        helper.make_node("Conv", ["image", "weights"], ["y"], pads=pads, strides=strides),
        image,
        lambda x: functional.conv2d(
            functional.pad(x, (left, right, top, bottom)), exact(weights), stride=strides
        ),
        constants={"weights": weights},
    )


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
def test_automatic_padding(mode: str, stride: int) -> None:
    """Half the padding on either side; the odd one goes where the mode says."""
    random = np.random.default_rng(0)
    image, weights = random.normal(size=(2, 3, 11, 12)), random.normal(size=(5, 3, 4, 4))
    pads = []
    for length in (12, 11):
        total = max((-(-length // stride) - 1) * stride + 4 - length, 0)
        pads += [total // 2, total - total // 2] if mode == "SAME_UPPER" else [total - total // 2, total // 2]
    assert_gradient(
        helper.make_node("Conv", ["image", "weights"], ["y"], auto_pad=mode, strides=[stride, stride]),
        image,
        lambda x: functional.conv2d(functional.pad(x, pads), exact(weights), stride=stride),
        constants={"weights": weights},
    )


@pytest.mark.parametrize(("stride", "mode"), [(4, "SAME_UPPER"), (5, "SAME_LOWER")])
def test_automatic_padding_that_cuts_off_is_refused(stride: int, mode: str) -> None:
    """ONNX Runtime then starts behind the first entry, and elsewhere than its own average pooling does."""
    with pytest.raises(UnsupportedOperatorError, match=r"Conv.*automatic padding"):
        assert_gradient(
            helper.make_node("Conv", ["image", "weights"], ["y"], auto_pad=mode, strides=[stride, stride]),
            np.random.default_rng(0).normal(size=(2, 3, stride, 2 * stride)),
            lambda x: x[:, :, ::stride, ::stride],
            constants={"weights": np.eye(3).reshape(3, 3, 1, 1)},
        )


def test_a_bias_changes_nothing() -> None:
    """Folded batch normalisations leave one behind."""
    random = np.random.default_rng(0)
    image, weights, bias = (
        random.normal(size=(2, 3, 6, 6)),
        random.normal(size=(4, 3, 3, 3)),
        random.normal(size=4),
    )
    assert_gradient(
        helper.make_node("Conv", ["image", "weights", "bias"], ["y"]),
        image,
        lambda x: functional.conv2d(x, exact(weights), exact(bias)),
        constants={"weights": weights, "bias": bias},
    )


@pytest.mark.parametrize(
    ("stride", "pad", "output_padding", "groups", "dilation"),
    [(1, 0, 0, 1, 1), (2, 1, 0, 1, 1), (2, 1, 1, 2, 1), (3, 0, 2, 1, 1), (2, 2, 1, 1, 2)],
)
def test_a_transposed_convolution_has_pytorchs_gradient(
    stride: int, pad: int, output_padding: int, groups: int, dilation: int
) -> None:
    """Its derivative is the convolution that it transposes."""
    random = np.random.default_rng(0)
    image, weights = random.normal(size=(2, 4, 6, 7)), random.normal(size=(4, 5, 3, 3))
    assert_gradient(
        helper.make_node(
            "ConvTranspose",
            ["image", "weights"],
            ["y"],
            strides=[stride] * 2,
            pads=[pad] * 4,
            output_padding=[output_padding] * 2,
            group=groups,
            dilations=[dilation] * 2,
        ),
        image,
        lambda x: functional.conv_transpose2d(
            x,
            exact(weights),
            stride=stride,
            padding=pad,
            output_padding=output_padding,
            groups=groups,
            dilation=dilation,
        ),
        constants={"weights": weights},
    )


def test_weights_that_depend_on_the_image_are_refused() -> None:
    """Dynamic convolutions: their second derivative path has no rule."""
    nodes = [
        helper.make_node("ReduceMean", ["image", "axes"], ["kernel"], keepdims=1),
        helper.make_node("Slice", ["kernel", "zero", "one", "zero"], ["one_kernel"]),
        helper.make_node("Conv", ["image", "one_kernel"], ["y"]),
    ]
    with pytest.raises(UnsupportedOperatorError, match=r"Conv.*depend on the image"):
        assert_gradient(
            nodes,
            np.ones((2, 3, 4, 4)),
            lambda x: functional.conv2d(x, x.mean((2, 3), keepdim=True)[:1]),
            constants={"axes": np.array([2, 3]), "zero": np.array([0]), "one": np.array([1])},
        )


@pytest.mark.parametrize(
    ("block", "stride", "pad", "dilation"), [((2, 2), 2, 0, 1), ((3, 3), 2, 1, 1), ((3, 2), 1, 1, 2)]
)
def test_adding_up_patches_has_pytorchs_gradient(
    block: tuple[int, int], stride: int, pad: int, dilation: int
) -> None:
    """torch.fold, as networks write it that look out of a window; patches overlap and stick out."""
    places = [
        (length + 2 * pad - dilation * (taps - 1) - 1) // stride + 1
        for length, taps in zip((8, 9), block, strict=True)
    ]
    assert_gradient(
        helper.make_node(
            "Col2Im",
            ["image", "lengths", "block"],
            ["y"],
            strides=[stride] * 2,
            pads=[pad] * 4,
            dilations=[dilation] * 2,
        ),
        np.random.default_rng(0).normal(size=(2, 3 * block[0] * block[1], places[0] * places[1])),
        lambda x: functional.fold(x, (8, 9), block, dilation, pad, stride),
        constants={"lengths": np.array([8, 9]), "block": np.array(block)},
    )
