"""Derivatives of convolutions with respect to what they convolve, and of adding up patches."""

import math

import numpy as np

from service.graphs.rules.adjoint import adjoint
from service.graphs.rules.broadcast import reshape_like
from service.graphs.rules.window import spatial_lengths, window_of
from service.graphs.step import Cotangents, Step, rule
from service.graphs.tape import Tensor


@rule("Conv")
def convolution(step: Step) -> Cotangents:
    """``y = W * x + b``;  ``dx = the adjoint of the convolution, applied to dy``."""
    if step.needs(1):
        raise step.unsupported("its weights depend on the image")
    weights = step.input(1)
    window = window_of(step, _kernel(step, weights))
    return (adjoint(step.dy, weights, window, step.integer("group", 1)),)


@rule("ConvTranspose")
def transposed_convolution(step: Step) -> Cotangents:
    """``y = W' * x + b``, the adjoint of a convolution;  ``dx = W * dy``, that convolution."""
    if step.needs(1):
        raise step.unsupported("its weights depend on the image")
    if step.text("auto_pad", "NOTSET") != "NOTSET" or step.integers("output_shape", []):
        raise step.unsupported("its padding follows from a wanted shape; stated pads were expected")
    weights = step.input(1)
    axes = weights.rank - 2
    return (
        step.dy.apply(
            "Conv",
            weights,
            kernel_shape=list(_kernel(step, weights)),
            strides=step.integers("strides", [1] * axes),
            dilations=step.integers("dilations", [1] * axes),
            pads=step.integers("pads", [0] * 2 * axes),
            group=step.integer("group", 1),
        ),
    )


@rule("Col2Im")
def fold(step: Step) -> Cotangents:
    """``y`` = the patches x, added up where they lie;  ``dx`` = dy cut into patches, by a convolution with every tap."""
    block = step.constant_integers(2)
    if block is None:
        raise step.unsupported("the shape of its patches is missing")
    axes, taps = len(block), math.prod(block)
    patches = step.dy.reshape(-1, 1, *spatial_lengths(step, step.y)).apply(
        "Conv",
        step.tape.real(np.eye(taps).reshape(taps, 1, *block)),
        kernel_shape=block,
        strides=step.integers("strides", [1] * axes),
        dilations=step.integers("dilations", [1] * axes),
        pads=step.integers("pads", [0] * 2 * axes),
    )
    return (reshape_like(patches, step.x),)


def _kernel(step: Step, weights: Tensor) -> tuple[int, ...]:
    kernel = tuple(length for length in weights.shape[2:] if length is not None)
    return tuple(step.integers("kernel_shape", kernel))
