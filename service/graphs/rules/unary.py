"""Derivatives of functions of one tensor that are no activations."""

from service.graphs.rules.gate import bell
from service.graphs.step import Cotangents, Step, rule


@rule("Neg")
def negate(step: Step) -> Cotangents:
    """``y = -x``;  ``dx = -dy``."""
    return (-step.dy,)


@rule("Abs")
def absolute(step: Step) -> Cotangents:
    """``y = |x|``;  ``dx = dy sign(x)``."""
    return (step.dy * step.x.apply("Sign"),)


@rule("Exp")
def exponential(step: Step) -> Cotangents:
    """``y = exp x``;  ``dx = dy y``."""
    return (step.dy * step.y,)


@rule("Log")
def logarithm(step: Step) -> Cotangents:
    """``y = log x``;  ``dx = dy / x``."""
    return (step.dy / step.x,)


@rule("Sqrt")
def square_root(step: Step) -> Cotangents:
    """``y = sqrt x``;  ``dx = dy / (2 y)``."""
    return (step.dy * 0.5 / step.y,)


@rule("Reciprocal")
def reciprocal(step: Step) -> Cotangents:
    """``y = 1 / x``;  ``dx = -dy y^2``."""
    return (-(step.dy * (step.y * step.y)),)


@rule("Erf")
def error_function(step: Step) -> Cotangents:
    """``y = erf x``;  ``dx = dy exp(-x^2) 2 / sqrt(pi)``."""
    return (step.dy * bell(step.x),)


@rule("Sin")
def sine(step: Step) -> Cotangents:
    """``y = sin x``;  ``dx = dy cos x``."""
    return (step.dy * step.x.apply("Cos"),)


@rule("Cos")
def cosine(step: Step) -> Cotangents:
    """``y = cos x``;  ``dx = -dy sin x``."""
    return (-(step.dy * step.x.apply("Sin")),)


@rule("Tan")
def tangent(step: Step) -> Cotangents:
    """``y = tan x``;  ``dx = dy (1 + y^2)``."""
    return (step.dy * (step.y * step.y + 1.0),)


@rule("Asin")
def inverse_sine(step: Step) -> Cotangents:
    """``y = asin x``;  ``dx = dy / sqrt(1 - x^2)``."""
    return (step.dy / (1.0 - step.x * step.x).apply("Sqrt"),)


@rule("Acos")
def inverse_cosine(step: Step) -> Cotangents:
    """``y = acos x``;  ``dx = -dy / sqrt(1 - x^2)``."""
    return (-(step.dy / (1.0 - step.x * step.x).apply("Sqrt")),)


@rule("Atan")
def inverse_tangent(step: Step) -> Cotangents:
    """``y = atan x``;  ``dx = dy / (1 + x^2)``."""
    return (step.dy / (step.x * step.x + 1.0),)


@rule("Sinh")
def hyperbolic_sine(step: Step) -> Cotangents:
    """``y = sinh x``;  ``dx = dy (exp x + exp(-x)) / 2``, for there is no Cosh on a GPU."""
    return (step.dy * ((step.x.apply("Exp") + (-step.x).apply("Exp")) * 0.5),)


@rule("Cosh")
def hyperbolic_cosine(step: Step) -> Cotangents:
    """``y = cosh x``;  ``dx = dy (exp x - exp(-x)) / 2``, for there is no Sinh on a GPU."""
    return (step.dy * ((step.x.apply("Exp") - (-step.x).apply("Exp")) * 0.5),)


@rule("Asinh")
def inverse_hyperbolic_sine(step: Step) -> Cotangents:
    """``y = asinh x``;  ``dx = dy / sqrt(x^2 + 1)``."""
    return (step.dy / (step.x * step.x + 1.0).apply("Sqrt"),)


@rule("Acosh")
def inverse_hyperbolic_cosine(step: Step) -> Cotangents:
    """``y = acosh x``;  ``dx = dy / sqrt(x^2 - 1)``."""
    return (step.dy / (step.x * step.x - 1.0).apply("Sqrt"),)


@rule("Atanh")
def inverse_hyperbolic_tangent(step: Step) -> Cotangents:
    """``y = atanh x``;  ``dx = dy / (1 - x^2)``."""
    return (step.dy / (1.0 - step.x * step.x),)


@rule("Ceil", "Floor", "Round", "Sign")
def steps(step: Step) -> Cotangents:  # noqa: ARG001 - every rule has this signature
    """``y`` is constant between jumps;  ``dx = 0``, as in PyTorch."""
    return (None,)


@rule("Cast")
def cast(step: Step) -> Cotangents:
    """``y = x`` in the same real type;  ``dx = dy``. Nothing flows through integers and booleans."""
    return (step.dy,)
