"""The adjoint of a convolution, in the forms that ONNX Runtime computes fastest."""

from dataclasses import dataclass

import numpy as np

from service.graphs.rules.window import Window
from service.graphs.tape import Tensor

SMALLEST_STEM_KERNEL = 4
"""Taps per axis from which on a stem's adjoint is faster as one convolution (7x7, 4x4, 16x16; not 3x3)."""


def adjoint(cotangent: Tensor, weights: Tensor, window: Window, groups: int) -> Tensor:
    """Apply the transposed linear map of a convolution.

    With stride 1 that is itself a convolution, with the kernel flipped and its channels exchanged, which
    ONNX Runtime computes 2 to 11 times faster than the ConvTranspose that says the same. With larger strides the
    ConvTranspose is the fastest form measured, but for stems and for depthwise convolutions: those are brought to
    stride 1 by zeros between the entries, and what follows stays in the blocked layout.

    Args:
        cotangent: ``[N, M, *outputs]``.
        weights: ``[M, C / groups, *kernel]``.
        window: The convolution's window.
        groups: Its groups.

    Returns:
        ``[N, C, *inputs]``.
    """
    before = [extent - 1 - pad for extent, pad in zip(window.extent, window.before, strict=True)]
    after = [extent - 1 - pad for extent, pad in zip(window.extent, window.after, strict=True)]
    overhang = list(window.overhang)
    if set(window.strides) == {1} and min(before + after) >= 0:
        return cotangent.apply(
            "Conv",
            flipped(weights, groups),
            kernel_shape=list(window.kernel),
            dilations=list(window.dilations),
            pads=before + after,
            group=groups,
        )
    if _is_stem(weights, window, groups):
        return by_phases(cotangent, weights, window)
    if _is_depthwise(weights, groups) and set(window.strides) != {1} and min(before + after + overhang) >= 0:
        return adjoint(with_gaps(cotangent, groups, window), weights, window.dense, groups)
    return cotangent.apply(
        "ConvTranspose",
        weights,
        kernel_shape=list(window.kernel),
        strides=list(window.strides),
        dilations=list(window.dilations),
        pads=[*window.before, *(p - min(o, 0) for p, o in zip(window.after, overhang, strict=True))],
        output_padding=[max(o, 0) for o in overhang],
        group=groups,
    )


def with_gaps(cotangent: Tensor, channels: int, window: Window) -> Tensor:
    """Put ``stride - 1`` zeros between neighbouring entries: the adjoint of taking every stride-th.

    Written as a ConvTranspose with one tap of 1 per channel, the fastest form measured.

    Args:
        cotangent: ``[N, C, *outputs]``.
        channels: C.
        window: Of the strided operator.

    Returns:
        ``[N, C, *outputs of the window with stride 1]``.
    """
    one = cotangent.tape.real(np.ones((channels, 1, *[1] * window.axes)))
    return cotangent.apply(
        "ConvTranspose",
        one,
        kernel_shape=[1] * window.axes,
        strides=list(window.strides),
        output_padding=list(window.overhang),
        group=channels,
    )


def by_phases(cotangent: Tensor, weights: Tensor, window: Window) -> Tensor:
    """Apply the adjoint of a strided convolution as one convolution that makes blocks of pixels.

    Pixels whose positions agree modulo the stride see the same taps. So a convolution with stride 1 on dy makes, as
    channels, the ``stride x stride`` pixels of a block, and DepthToSpace puts them in their places.

    Args:
        cotangent: ``[N, M, *outputs]``.
        weights: ``[M, C, *kernel]``.
        window: Of two axes, with one stride for both and no dilation.

    Returns:
        ``[N, C, *inputs]``.
    """
    outputs, channels, *_ = (length or 0 for length in weights.shape)
    stride = window.strides[0]
    geometry = [_phases(window, axis) for axis in range(2)]
    (left, taps), (top, rows) = ((g.empty, g.taps) for g in reversed(geometry))
    filled = weights.apply(
        "Pad",
        weights.tape.integers(
            [
                0,
                0,
                top,
                left,
                0,
                0,
                *(g.taps * stride - g.empty - k for g, k in zip(geometry, window.kernel, strict=True)),
            ]
        ),
    )
    split = filled.reshape(outputs, channels, rows, stride, taps, stride).transpose(3, 5, 1, 0, 2, 4)
    kernel = reverse(split, [4, 5]).reshape(stride * stride * channels, outputs, rows, taps)
    pads = [*(g.before for g in geometry), *(g.after for g in geometry)]
    blocks = cotangent.apply("Conv", kernel, kernel_shape=[rows, taps], pads=pads)
    pixels = blocks.apply("DepthToSpace", blocksize=stride, mode="DCR")
    if all(g.blocks * stride == length for g, length in zip(geometry, window.inputs, strict=True)):
        return pixels
    tape = cotangent.tape
    return pixels.apply("Slice", tape.integers([0, 0]), tape.integers(window.inputs), tape.integers([2, 3]))


@dataclass(frozen=True, slots=True)
class _Phases:
    """How blocks of pixels along one axis see the outputs.

    Args:
        empty: Taps of zeros before the first, so that padding ends on a whole block.
        taps: Outputs that a block sees.
        blocks: How many blocks cover the input.
        before: Padding of dy before its first entry.
        after: Behind its last.
    """

    empty: int
    taps: int
    blocks: int
    before: int
    after: int


def _phases(window: Window, axis: int) -> _Phases:
    stride, pad, kernel = window.strides[axis], window.before[axis], window.kernel[axis]
    empty = -pad % stride
    taps = -(-(kernel + empty) // stride)
    blocks = -(-window.inputs[axis] // stride)
    before = taps - 1 - (pad + empty) // stride
    return _Phases(empty, taps, blocks, before, blocks - window.outputs[axis] - before + taps - 1)


def _is_stem(weights: Tensor, window: Window, groups: int) -> bool:
    """Tell a first convolution, of few channels and a large kernel: where :func:`by_phases` was faster by a fifth."""
    if groups != 1 or window.axes != 2 or set(window.dilations) != {1}:  # noqa: PLR2004 - height and width
        return False
    outputs, channels, *_ = (length or 0 for length in weights.shape)
    stride, other = window.strides
    if stride != other or channels * stride**2 > outputs or min(window.kernel) < SMALLEST_STEM_KERNEL:
        return False
    return min(min(g.before, g.after) for g in (_phases(window, 0), _phases(window, 1))) >= 0


def _is_depthwise(weights: Tensor, groups: int) -> bool:
    """Tell a convolution of every channel with a kernel of its own."""
    return weights.shape[:2] == (groups, 1)


def flipped(weights: Tensor, groups: int) -> Tensor:
    """Turn a kernel around and exchange its channels, within each group.

    Written as nodes on the constant, not as a second constant: the file stays small, and ONNX Runtime folds
    them when the session starts.

    Args:
        weights: ``[M, C / groups, *kernel]``.
        groups: The convolution's groups.

    Returns:
        ``[C, M / groups, *kernel]``, taps in reverse order.
    """
    fixed = [length for length in weights.shape if length is not None]
    outputs, inputs, *kernel = fixed
    taps = range(2, len(fixed))
    turned = weights
    if groups == 1:
        turned = weights.transpose(1, 0, *taps)
    elif outputs != groups or inputs != 1:
        split = weights.reshape(groups, outputs // groups, inputs, *kernel)
        exchanged = split.transpose(0, 2, 1, *(axis + 1 for axis in taps))
        turned = exchanged.reshape(groups * inputs, outputs // groups, *kernel)
    axes = [axis for axis, length in zip(taps, kernel, strict=True) if length > 1]
    return reverse(turned, axes) if axes else turned


def reverse(tensor: Tensor, axes: list[int]) -> Tensor:
    """Reverse the order along axes."""
    tape = tensor.tape
    last, before_first, back = [-1] * len(axes), [-(2**31)] * len(axes), [-1] * len(axes)
    return tensor.apply(
        "Slice", tape.integers(last), tape.integers(before_first), tape.integers(axes), tape.integers(back)
    )
