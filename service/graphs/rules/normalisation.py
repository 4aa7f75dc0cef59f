"""Derivatives of normalisations, as they are in inference."""

from collections.abc import Sequence

import numpy as np

from service.graphs.step import Cotangents, Step, rule
from service.graphs.tape import Tensor


@rule("BatchNormalization")
def batch_normalisation(step: Step) -> Cotangents:
    """``y = s (x - m) / sqrt(v + eps) + b``;  ``dx = dy s / sqrt(v + eps)``, with the statistics as constants."""
    scale, variance = step.input(1).value, step.input(4).value
    if scale is None or variance is None:
        raise step.unsupported("its scale or variance is computed; constants were expected")
    factor = scale / np.sqrt(variance.astype(np.float64) + step.number("epsilon", 1e-5))
    return (step.dy * factor.reshape(-1, *[1] * (step.x.rank - 2)),)


@rule("LayerNormalization")
def layer_normalisation(step: Step) -> Cotangents:
    """``y = s z + b, z = (x - mean x) / sqrt(var x + eps)``;  ``dx = (g - mean g - z mean(g z)) / sqrt(var x + eps), g = dy s``."""
    axes = range(step.integer("axis", -1) % step.x.rank, step.x.rank)
    cotangent = step.dy * step.input(1)
    if (
        step.tape.dtype != np.float32
    ):  # the operator states its statistics in float32, whatever it computes in
        return (_standardised(step.x, cotangent, axes, step.number("epsilon", 1e-5)),)
    mean, inverse_deviation = step.tape.extra_output(step.node, 1), step.tape.extra_output(step.node, 2)
    normalised = (step.x - mean) * inverse_deviation
    return (_through_standardising(cotangent, normalised, inverse_deviation, axes),)


@rule("InstanceNormalization")
def instance_normalisation(step: Step) -> Cotangents:
    """``y = s z + b, z`` standardised per channel;  ``dx`` as of LayerNormalization, over the spatial axes."""
    axes = range(2, step.x.rank)
    scale = step.input(1).apply("Unsqueeze", step.tape.integers([-1 - i for i in range(len(axes))]))
    return (_standardised(step.x, step.dy * scale, axes, step.number("epsilon", 1e-5)),)


@rule("Softmax")
def softmax(step: Step) -> Cotangents:
    """``y = exp x / sum(exp x)``;  ``dx = y (dy - sum(dy y))``."""
    axis = step.integer("axis", -1) % step.x.rank
    return (step.y * (step.dy - (step.dy * step.y).sum([axis])),)


@rule("LogSoftmax")
def log_softmax(step: Step) -> Cotangents:
    """``y = x - log(sum(exp x))``;  ``dx = dy - exp(y) sum(dy)``."""
    axis = step.integer("axis", -1) % step.x.rank
    return (step.dy - step.y.apply("Exp") * step.dy.sum([axis]),)


@rule("LpNormalization")
def norm_of_one(step: Step) -> Cotangents:
    """``y = x / n, n = |x|_2`` or ``|x|_1`` along one axis;  ``dx = (dy - dn/dx sum(dy y)) / n``, and 0 where n = 0."""
    axis = step.integer("axis", -1) % step.x.rank
    order = step.integer("p", 2)
    axes, zero = step.tape.integers([axis]), step.tape.real(0.0)
    norm = step.x.apply(f"ReduceL{order}", axes, keepdims=1)
    slope = step.y if order == 2 else step.x.apply("Sign")  # noqa: PLR2004 - the Euclidean norm
    inverse = norm.apply("Equal", zero).apply("Where", zero, norm.apply("Reciprocal"))
    return ((step.dy - slope * (step.dy * step.y).sum([axis])) * inverse,)


@rule("Hardmax")
def hard_maximum(step: Step) -> Cotangents:  # noqa: ARG001 - every rule has this signature
    """``y = 1`` at the first maximum along one axis, else 0;  ``dx = 0``: it is constant between jumps."""
    return (None,)


def _standardised(x: Tensor, cotangent: Tensor, axes: Sequence[int], epsilon: float) -> Tensor:
    """Differentiate ``(x - mean x) / sqrt(var x + epsilon)`` where the forward graph keeps neither."""
    centred = x - x.mean(axes)
    inverse_deviation = ((centred * centred).mean(axes) + epsilon).apply("Sqrt").apply("Reciprocal")
    return _through_standardising(cotangent, centred * inverse_deviation, inverse_deviation, axes)


def _through_standardising(
    cotangent: Tensor, normalised: Tensor, inverse_deviation: Tensor, axes: Sequence[int]
) -> Tensor:
    """``(g - mean g - z mean(g z)) / sigma``: what standardising over axes does to a cotangent g."""
    projection = normalised * (cotangent * normalised).mean(axes)
    return (cotangent - cotangent.mean(axes) - projection) * inverse_deviation
