"""Derivatives of convolutions with respect to what they convolve."""

from service.graphs.rules.adjoint import adjoint
from service.graphs.rules.window import window_of
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


def _kernel(step: Step, weights: Tensor) -> tuple[int, ...]:
    kernel = tuple(length for length in weights.shape[2:] if length is not None)
    return tuple(step.integers("kernel_shape", kernel))
