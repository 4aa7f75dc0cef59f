"""Arithmetic of maps [N,C,H,W] in the form that stays in ONNX Runtime's blocked layout.

On the CPU, ONNX Runtime keeps the maps between convolutions in blocks of channels. Of the element-wise operators only
sums, products of whole tensors, Relu, Sigmoid, HardSigmoid, Tanh and BatchNormalization work on blocks; any other
one, a product with a number included, has its operands copied to the plain layout and its result copied back, each
about as expensive as the operator. So numbers are multiplied and added by a BatchNormalization with constant
statistics, which is exact, and steps are steep HardSigmoids.
"""

import math

import numpy as np

from service.graphs.tape import Tensor

STEEP = 2.0**126
"""Slope of the ramp that stands for a step: a power of two, so that a product with it is exact in float32."""

JUST_BELOW_ZERO = -1e-20
"""Offset of that ramp: it keeps the step at exactly 0 for 0, and unlike 0 it is an offset that no runtime takes for
one left out, in whose place it would put its default of 1/2."""


def affine(x: Tensor, scale: float, offset: float) -> Tensor:
    """Compute ``scale x + offset``.

    Args:
        x: Any tensor; a tensor of the classifier of four axes is taken for a map.
        scale: Factor.
        offset: Summand.

    Returns:
        The tensor, as by one multiplication and one addition in its precision.
    """
    channels = x.channels
    if (scale, offset) == (1, 0):
        return x
    if channels is None:
        scaled = x if scale == 1 else x * scale
        return scaled if offset == 0 else scaled + offset
    scales, offsets, zeros, ones = (
        x.tape.real(np.full(channels, value)) for value in (scale, offset, 0.0, 1.0)
    )
    return x.apply("BatchNormalization", scales, offsets, zeros, ones, epsilon=0.0)


def step_at_zero(x: Tensor) -> Tensor:
    """Give 1 where *x* > 0 and 0 elsewhere, as a real tensor.

    Written as a HardSigmoid so steep that it is a step: one pass, against two and several times the time for a
    comparison and a choice. Exact: at 0 the result is 0, as PyTorch's gates; large x overflow to infinity and are
    clipped to 1. Only for ``0 < x < 2^-126``, the denormal numbers, it is a fraction; a float32 sum of terms above
    1e-31 cannot be that small without being 0.
    """
    return x.apply("HardSigmoid", alpha=STEEP, beta=JUST_BELOW_ZERO)


def step_below(x: Tensor, bound: float) -> Tensor:
    """Give 1 where *x* < *bound* and 0 elsewhere.

    Slope and offset are the bound and 1 times one power of two. So nothing is rounded where x is the bound, which a
    saturated ReLU6 is all the time, and the result there is exactly 0.
    """
    slope = STEEP / 2.0 ** max(math.frexp(bound)[1], 0)
    return x.apply("HardSigmoid", alpha=-slope, beta=slope * bound or JUST_BELOW_ZERO)


def hard_swish_slope(x: Tensor, h: Tensor) -> Tensor:
    """Differentiate ``x h(x)`` with the ramp ``h = min(max(x / 6 + 1/2, 0), 1)``, given both; at ±3, as outside."""
    return h + affine(h, 1.0, -0.5) * step_below(x * x, 9.0)


def swish_slope(y: Tensor, s: Tensor) -> Tensor:
    """Differentiate ``y = x s`` where s is the sigmoid of x, given both: ``s + y (1 - s)``."""
    return s + y * affine(s, -1.0, 1.0)


def bell(x: Tensor) -> Tensor:
    """Differentiate the error function: ``2 / sqrt(pi) exp(-x^2)``, with the factor in the exponent."""
    return (math.log(2 / math.sqrt(math.pi)) - x * x).apply("Exp")


def gelu_slope(x: Tensor, scaled: Tensor, gate: Tensor) -> Tensor:
    """Differentiate ``x (1 + erf(x / sqrt 2))``, given ``x / sqrt 2`` and ``1 + erf(x / sqrt 2)``."""
    exponent = math.log(math.sqrt(2 / math.pi)) - scaled * scaled
    return gate + x * exponent.apply("Exp")
