"""Derivatives of pooling."""

import math

import numpy as np
from numpy.typing import NDArray

from service.graphs.facts import ELEMENTS
from service.graphs.rules.adjoint import adjoint
from service.graphs.rules.broadcast import expand_like, reshape_like
from service.graphs.rules.window import Window, spatial_lengths, window_of
from service.graphs.step import Cotangents, Step, rule


@rule("GlobalAveragePool")
def global_average_pool(step: Step) -> Cotangents:
    """``y = mean of x over the spatial axes``;  ``dx = dy / (height width)`` everywhere."""
    count = math.prod(spatial_lengths(step, step.x))
    return (expand_like(step.dy * (1.0 / count), step.x),)


@rule("AveragePool")
def average_pool(step: Step) -> Cotangents:
    """``y = mean of x in the window``;  ``dx = the sum, over the windows that hold x, of dy / entries counted``."""
    window = window_of(step, tuple(step.integers("kernel_shape", [])))
    channels = step.x.shape[1]
    if channels is None:
        raise step.unsupported("the number of channels follows the batch")
    share = 1.0 / _entries(window, padding_counts=bool(step.integer("count_include_pad", 0)))
    uniform = np.ptp(share) == 0
    weights = np.full((channels, 1, *window.kernel), share.flat[0] if uniform else 1.0)
    spread = step.dy if uniform else step.dy * share
    return (adjoint(spread, step.tape.real(weights), window, channels),)


@rule("MaxPool")
def max_pool(step: Step) -> Cotangents:
    """``y = max of x in the window``;  ``dx = the sum of dy over the windows whose maximum x is``.

    Among equal entries it is the first in row-major order, in ONNX Runtime as in PyTorch.
    """
    if step.integer("storage_order", 0):
        raise step.unsupported("it numbers its maxima column by column (storage_order); 0 was expected")
    tape = step.tape
    position = tape.extra_output(step.node, 1).reshape(-1)
    count = step.x.apply("Size").reshape(1)
    zeros = tape.real(0.0).apply("Expand", count)
    scattered = zeros.apply("ScatterElements", position, step.dy.reshape(-1), axis=0, reduction="add")
    return (reshape_like(scattered, step.x),)


@rule("GlobalMaxPool")
def global_max_pool(step: Step) -> Cotangents:
    """``y = max of x over the spatial axes``;  ``dx = dy`` at the first maximum in row-major order, else 0."""
    count = math.prod(spatial_lengths(step, step.x))
    first = step.x.reshape(0, 0, -1).apply("ArgMax", axis=2, keepdims=1)
    positions = step.tape.constant(np.arange(count), np.int64)
    hit = first.apply("Equal", positions).apply("Cast", to=ELEMENTS[step.tape.dtype])
    return (reshape_like(step.dy.reshape(0, 0, 1) * hit, step.x),)


@rule("LRN")
def local_response_normalisation(step: Step) -> Cotangents:
    """``y = x d^-b, d = k + a/n (window sum of x^2)``;  ``dx = dy d^-b - 2ab/n x (window' sum of dy y / d)``."""
    size = step.integer("size", 0)
    alpha, beta, bias = step.number("alpha", 1e-4), step.number("beta", 0.75), step.number("bias", 1.0)
    channels = step.x.shape[1]
    if channels is None:
        raise step.unsupported("the number of channels follows the batch")
    distance = np.arange(channels)[None] - np.arange(channels)[:, None]
    near = ((distance >= -((size - 1) // 2)) & (distance <= size - 1 - (size - 1) // 2)).astype(np.float64)
    taps = near.reshape(channels, channels, *[1] * (step.x.rank - 2))
    window, adjoint_window = step.tape.real(taps), step.tape.real(np.swapaxes(taps, 0, 1))
    divisor = (step.x * step.x).apply("Conv", window) * (alpha / size) + bias
    scale = divisor.apply("Pow", step.tape.real(-beta))
    inner = (step.dy * step.y / divisor).apply("Conv", adjoint_window)
    return (step.dy * scale - step.x * inner * (2 * alpha * beta / size),)


def _entries(window: Window, *, padding_counts: bool) -> NDArray[np.float64]:
    """Count the entries that each output averages, ``[1, 1, *outputs]``.

    Windows may overhang the padding (``ceil_mode``); entries beyond it never count.
    """
    counts = np.ones(())
    for axis in range(window.axes):
        starts = np.arange(window.outputs[axis])[:, None] * window.strides[axis] - window.before[axis]
        taps = starts + np.arange(window.kernel[axis])[None] * window.dilations[axis]
        first = -window.before[axis] if padding_counts else 0
        last = window.inputs[axis] + (window.after[axis] if padding_counts else 0)
        counts = np.multiply.outer(counts, ((taps >= first) & (taps < last)).sum(axis=1))
    return counts.reshape(1, 1, *window.outputs)
