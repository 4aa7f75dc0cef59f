"""Operators in float64, by PyTorch.

ONNX Runtime has no float64 kernels for them, and onnx's reference evaluator gets groups, ceil_mode or padding wrong.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from torch.nn import functional

Array: TypeAlias = NDArray[np.generic]
Value: TypeAlias = "list[int] | int | float | str | None"


class Conv(OpRun):
    """Convolution."""

    op_domain = ""

    def _run(self, *inputs: Array, **attributes: Value) -> tuple[Array]:
        image, weights, *bias = map(tensor, inputs)
        axes = weights.ndim - 2
        strides, dilations = _each(attributes, "strides", axes, 1), _each(attributes, "dilations", axes, 1)
        pads = _each(attributes, "pads", 2 * axes, 0)
        mode = str(attributes.get("auto_pad"))
        if mode.startswith("SAME"):
            pads = _automatic(
                image.shape[2:], weights.shape[2:], strides, dilations, upper=mode == "SAME_UPPER"
            )
        function = (functional.conv1d, functional.conv2d, functional.conv3d)[axes - 1]
        padded = functional.pad(image, _torch_pads(pads))
        groups = _one(attributes, "group", 1)
        return (
            function(
                padded, weights, bias[0] if bias else None, stride=strides, dilation=dilations, groups=groups
            ).numpy(),
        )


class ConvTranspose(OpRun):
    """Transposed convolution: the full one, cut to the stated pads."""

    op_domain = ""

    def _run(self, *inputs: Array, **attributes: Value) -> tuple[Array]:
        image, weights, *bias = map(tensor, inputs)
        axes = weights.ndim - 2
        function = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[
            axes - 1
        ]
        full = function(
            image,
            weights,
            stride=_each(attributes, "strides", axes, 1),
            dilation=_each(attributes, "dilations", axes, 1),
            groups=_one(attributes, "group", 1),
        )
        pads, more = _each(attributes, "pads", 2 * axes, 0), _each(attributes, "output_padding", axes, 0)
        cut = [*(-p for p in pads[:axes]), *(m - p for m, p in zip(more, pads[axes:], strict=True))]
        result = functional.pad(full, _torch_pads(cut))
        return ((result + bias[0].reshape(-1, *[1] * axes) if bias else result).numpy(),)


class AveragePool(OpRun):
    """Average pooling of two axes with even padding."""

    op_domain = ""

    def _run(self, *inputs: Array, **attributes: Value) -> tuple[Array]:
        result = functional.avg_pool2d(
            tensor(inputs[0]),
            _each(attributes, "kernel_shape", 2, 1),
            _each(attributes, "strides", 2, 1),
            _each(attributes, "pads", 4, 0)[:2],
            bool(attributes.get("ceil_mode")),
            bool(attributes.get("count_include_pad")),
        )
        return (result.numpy(),)


class LpPool(OpRun):
    """Pooling of two axes by a norm, with even padding."""

    op_domain = ""

    def _run(self, *inputs: Array, **attributes: Value) -> tuple[Array]:
        order = _one(attributes, "p", 2)
        sums = functional.avg_pool2d(
            tensor(inputs[0]).abs() ** order,
            _each(attributes, "kernel_shape", 2, 1),
            _each(attributes, "strides", 2, 1),
            _each(attributes, "pads", 4, 0)[:2],
            bool(attributes.get("ceil_mode")),
            divisor_override=1,
        )
        return ((sums ** (1 / order)).numpy(),)


class GlobalLpPool(OpRun):
    """The norm of each channel."""

    op_domain = ""

    def _run(self, *inputs: Array, **attributes: Value) -> tuple[Array]:
        image = tensor(inputs[0])
        axes = tuple(range(2, image.ndim))
        return (torch.linalg.vector_norm(image, _one(attributes, "p", 2), axes, keepdim=True).numpy(),)


class MaxPool(OpRun):
    """Max pooling of two axes with even padding; positions count through the whole batch."""

    op_domain = ""

    def _run(self, *inputs: Array, **attributes: Value) -> tuple[Array, ...]:
        image = tensor(inputs[0])
        result, inside = functional.max_pool2d(
            image,
            _each(attributes, "kernel_shape", 2, 1),
            _each(attributes, "strides", 2, 1),
            _each(attributes, "pads", 4, 0)[:2],
            _each(attributes, "dilations", 2, 1),
            bool(attributes.get("ceil_mode")),
            return_indices=True,
        )
        images, channels, height, width = image.shape
        plane = np.arange(images * channels).reshape(images, channels, 1, 1) * (height * width)
        return (result.numpy(), inside.numpy() + plane)[: len(self.output)]


class GlobalMaxPool(OpRun):
    """The largest entry of each channel."""

    op_domain = ""

    def _run(self, *inputs: Array, **_attributes: Value) -> tuple[Array]:
        image = tensor(inputs[0])
        return (image.amax(tuple(range(2, image.ndim)), keepdim=True).numpy(),)


class LRN(OpRun):
    """Local response normalisation, in an odd window."""

    op_domain = ""

    def _run(self, *inputs: Array, **attributes: Value) -> tuple[Array]:
        alpha, beta, bias = (float(str(attributes[name])) for name in ("alpha", "beta", "bias"))
        size = _one(attributes, "size", 1)
        return (functional.local_response_norm(tensor(inputs[0]), size, alpha, beta, bias).numpy(),)


class GridSample(OpRun):
    """Reading a map at places; onnx's knows the modes of newer operator sets alone."""

    op_domain = ""

    def _run(self, *inputs: Array, **attributes: Value) -> tuple[Array]:
        image, grid = map(tensor, inputs)
        mode, border = str(attributes["mode"]), str(attributes["padding_mode"])
        mode = "bilinear" if mode == "linear" else mode  # the evaluator's default is of newer sets
        align = bool(attributes.get("align_corners"))
        return (functional.grid_sample(image, grid, mode, border, align_corners=align).numpy(),)


def evaluate_double(model: ModelProto, feed: dict[str, Array]) -> list[Array]:
    """Run a float64 graph outside ONNX Runtime."""
    names = {entry.name for entry in model.graph.input}
    used = {name: value for name, value in feed.items() if name in names}
    operators = [
        Conv,
        ConvTranspose,
        AveragePool,
        GlobalLpPool,
        GlobalMaxPool,
        GridSample,
        LRN,
        LpPool,
        MaxPool,
    ]
    return list(ReferenceEvaluator(model, new_ops=operators).run(None, used))


def tensor(value: Array) -> torch.Tensor:
    """Copy an array; it may be read-only or reversed, which torch refuses."""
    return torch.from_numpy(np.array(value, order="C"))


def _each(attributes: dict[str, Value], name: str, count: int, default: int) -> list[int]:
    found = attributes.get(name)
    return found if isinstance(found, list) and found else [default] * count


def _one(attributes: dict[str, Value], name: str, default: int) -> int:
    found = attributes.get(name)
    return found if isinstance(found, int) else default


def _torch_pads(pads: Sequence[int]) -> list[int]:
    """From all firsts, then all lasts, to pairs with the last axis first."""
    axes = len(pads) // 2
    return [pads[side * axes + axis] for axis in reversed(range(axes)) for side in (0, 1)]


def _automatic(
    lengths: Sequence[int], kernel: Sequence[int], strides: list[int], dilations: list[int], *, upper: bool
) -> list[int]:
    total = [
        max((-(-length // stride) - 1) * stride + dilation * (taps - 1) + 1 - length, 0)
        for length, taps, stride, dilation in zip(lengths, kernel, strides, dilations, strict=True)
    ]
    small, large = [t // 2 for t in total], [t - t // 2 for t in total]
    return [*small, *large] if upper else [*large, *small]
