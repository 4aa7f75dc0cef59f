"""Derivatives of activations: one input, one output, element by element."""

import math

from service.graphs.rules.gate import affine, hard_swish_slope, step_at_zero, step_below
from service.graphs.step import Cotangents, Step, rule
from service.graphs.tape import Tensor


@rule("Relu")
def relu(step: Step) -> Cotangents:
    """``y = max(x, 0)``;  ``dx = dy 1[y > 0]``; 0 at x = 0, as in PyTorch."""
    return (step.dy * step_at_zero(step.y),)


@rule("Clip")
def clip(step: Step) -> Cotangents:
    """``y = min(max(x, low), high)``;  ``dx = dy 1[low < y < high]``; 0 at the bounds, as PyTorch's ReLU6.

    Both exporters write Clip for ReLU6, for hardtanh and for torch.clamp, so one choice serves them all. 0 is the
    subgradient of least norm, and what PyTorch 2.14 takes for each of them. clamp took 1 in earlier versions, and
    takes 1/2 where its bounds are tensors; after the export nothing tells that from a ReLU6, which sits at its bounds
    all the time.
    """
    result = step.dy
    low, high = _bound(step, 1, -math.inf), _bound(step, 2, math.inf)
    if low > -math.inf:
        result = result * step_at_zero(affine(step.y, 1.0, -low))
    if high < math.inf:
        result = result * step_below(step.y, high)
    return (result,)


@rule("LeakyRelu")
def leaky_relu(step: Step) -> Cotangents:
    """``y = x if x > 0 else alpha x``;  ``dx = dy (alpha + (1 - alpha) 1[x > 0])``."""
    slope = step.number("alpha", 0.01)
    return (step.dy * affine(step_at_zero(step.x), 1 - slope, slope),)


@rule("PRelu")
def parametric_relu(step: Step) -> Cotangents:
    """``y = x if x > 0 else s x``;  ``dx = dy (s + (1 - s) 1[x > 0])``, with learned slopes s."""
    if step.needs(1):
        raise step.unsupported("its slopes depend on the image")
    slope = step.input(1)
    gate = step_at_zero(step.x)
    return (step.dy * (slope + gate * (1 - slope)),)


@rule("ThresholdedRelu")
def thresholded_relu(step: Step) -> Cotangents:
    """``y = x if x > alpha else 0``;  ``dx = dy 1[x > alpha]``."""
    return (step.dy * step_at_zero(affine(step.x, 1.0, -step.number("alpha", 1.0))),)


@rule("Shrink")
def shrink(step: Step) -> Cotangents:
    """``y = x + bias if x < -lambd, x - bias if x > lambd, else 0``;  ``dx = dy 1[|x| > lambd]``."""
    return (step.dy * step_at_zero(step.x.apply("Abs") - step.number("lambd", 0.5)),)


@rule("Elu")
def elu(step: Step) -> Cotangents:
    """``y = x if x > 0 else alpha (exp x - 1)``;  ``dx = dy (1 if x > 0 else y + alpha)``."""
    alpha = step.number("alpha", 1.0)
    return (_two_sided(step, positive=step.dy, negative=step.dy * (step.y + alpha)),)


@rule("Celu")
def celu(step: Step) -> Cotangents:
    """``y = x if x > 0 else alpha (exp(x / alpha) - 1)``;  ``dx = dy (1 if x > 0 else y / alpha + 1)``."""
    alpha = step.number("alpha", 1.0)
    return (_two_sided(step, positive=step.dy, negative=step.dy * (step.y * (1 / alpha) + 1.0)),)


@rule("Selu")
def selu(step: Step) -> Cotangents:
    """``y = g x if x > 0 else g a (exp x - 1)``;  ``dx = dy (g if x > 0 else y + g a)``."""
    alpha = step.number("alpha", 1.67326319217681884765625)
    gamma = step.number("gamma", 1.05070102214813232421875)
    return (_two_sided(step, positive=step.dy * gamma, negative=step.dy * (step.y + alpha * gamma)),)


@rule("Sigmoid")
def sigmoid(step: Step) -> Cotangents:
    """``y = 1 / (1 + exp(-x))``;  ``dx = dy y (1 - y)``."""
    return (step.dy * (step.y * affine(step.y, -1.0, 1.0)),)


@rule("HardSigmoid")
def hard_sigmoid(step: Step) -> Cotangents:
    """``y = min(max(alpha x + beta, 0), 1)``;  ``dx = dy alpha 1[0 < y < 1]``."""
    inside = step_at_zero(step.y * affine(step.y, -1.0, 1.0))
    return (step.dy * affine(inside, step.number("alpha", 0.2), 0.0),)


@rule("HardSwish")
def hard_swish(step: Step) -> Cotangents:
    """``y = x h, h = min(max(x / 6 + 1/2, 0), 1)``;  ``dx = dy (h + (h - 1/2) 1[|x| < 3])``."""
    tape = step.tape
    h = (step.x * (1 / 6) + 0.5).apply("Clip", tape.real(0.0), tape.real(1.0))
    return (step.dy * hard_swish_slope(step.x, h),)


@rule("Tanh")
def tanh(step: Step) -> Cotangents:
    """``y = tanh x``;  ``dx = dy (1 - y^2)``."""
    return (step.dy * affine(step.y * step.y, -1.0, 1.0),)


@rule("Softplus")
def softplus(step: Step) -> Cotangents:
    """``y = log(1 + exp x)``;  ``dx = dy sigmoid(x)``."""
    return (step.dy * step.x.apply("Sigmoid"),)


@rule("Softsign")
def softsign(step: Step) -> Cotangents:
    """``y = x / (1 + |x|)``;  ``dx = dy / (1 + |x|)^2``."""
    size = step.x.apply("Abs") + 1.0
    return (step.dy / (size * size),)


@rule("Mish")
def mish(step: Step) -> Cotangents:
    """``y = x t, t = tanh(softplus x)``;  ``dx = dy (t + x sigmoid(x) (1 - t^2))``."""
    x = step.x
    t = x.apply("Softplus").apply("Tanh")
    return (step.dy * (t + (x * x.apply("Sigmoid")) * (1 - t * t)),)


def _bound(step: Step, index: int, otherwise: float) -> float:
    """Read a bound of Clip; *otherwise* if it has none."""
    if not step.has(index):
        return otherwise
    bound = step.input(index).value
    if bound is None or bound.size != 1:
        raise step.unsupported("its bounds are computed; constants were expected")
    return float(bound.reshape(()))


def _two_sided(step: Step, *, positive: Tensor, negative: Tensor) -> Tensor:
    """Choose between two cotangents by the sign of x."""
    return step.x.apply("Greater", step.tape.real(0.0)).apply("Where", positive, negative)
