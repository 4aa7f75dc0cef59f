"""Derivatives of pooling by a norm."""

import numpy as np

from service.graphs.rules.adjoint import adjoint
from service.graphs.rules.window import window_of
from service.graphs.step import Cotangents, Step, rule
from service.graphs.tape import Tensor

EUCLIDEAN = 2
"""The order of the norm unless stated."""


@rule("LpPool")
def norm_pool(step: Step) -> Cotangents:
    """``y = (sum of |x|^p in the window)^(1/p)``;  ``dx = sign(x) |x|^(p-1) (window' sum of dy y^(1-p))``; 0 where y = 0."""
    order = step.integer("p", EUCLIDEAN)
    window = window_of(step, tuple(step.integers("kernel_shape", [])))
    channels = step.x.shape[1]
    if channels is None:
        raise step.unsupported("the number of channels follows the batch")
    ones = step.tape.real(np.ones((channels, 1, *window.kernel)))
    return (_signed_power(step.x, order) * adjoint(_share(step, order), ones, window, channels),)


@rule("GlobalLpPool")
def global_norm_pool(step: Step) -> Cotangents:
    """``y = (sum of |x|^p over the spatial axes)^(1/p)``;  ``dx = sign(x) |x|^(p-1) dy y^(1-p)``; 0 where y = 0."""
    order = step.integer("p", EUCLIDEAN)
    return (_signed_power(step.x, order) * _share(step, order),)


def _signed_power(x: Tensor, order: int) -> Tensor:
    """``sign(x) |x|^(p-1)``."""
    if order == 1:
        return x.apply("Sign")
    return (
        x if order == EUCLIDEAN else x.apply("Sign") * x.apply("Abs").apply("Pow", x.tape.real(order - 1.0))
    )


def _share(step: Step, order: int) -> Tensor:
    """``dy y^(1-p)``; finite where y = 0, for all entries of such a window are 0, and so is what it is multiplied with."""
    if order == 1:
        return step.dy
    divisor = step.y if order == EUCLIDEAN else step.y.apply("Pow", step.tape.real(order - 1.0))
    empty = divisor.apply("Equal", step.tape.real(0.0))
    return step.dy / empty.apply("Where", step.tape.real(1.0), divisor)
