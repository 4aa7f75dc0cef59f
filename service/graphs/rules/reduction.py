"""Derivatives of reductions over axes."""

import math

from service.graphs.facts import ELEMENTS
from service.graphs.rules.broadcast import expand_like
from service.graphs.step import Cotangents, Step, rule
from service.graphs.tape import Tensor


@rule("ReduceSum")
def reduce_sum(step: Step) -> Cotangents:
    """``y = sum of x``;  ``dx = dy`` everywhere."""
    return (_repeated(step, step.dy),)


@rule("ReduceMean")
def reduce_mean(step: Step) -> Cotangents:
    """``y = mean of n entries of x``;  ``dx = dy / n`` everywhere."""
    lengths = [step.x.shape[axis] for axis in reduced_axes(step)]
    if None in lengths:
        raise step.unsupported("it averages over an axis that follows the batch")
    count = math.prod(length for length in lengths if length is not None)
    return (_repeated(step, step.dy * (1.0 / count)),)


@rule("ReduceMax", "ReduceMin")
def reduce_extremum(step: Step) -> Cotangents:
    """``y = max of x`` or min;  ``dx = dy 1[x = y] / (how many x = y)``: ties share, as in PyTorch's amax."""
    if not reduced_axes(step):
        return (step.dy,)
    hit = step.x.apply("Equal", with_axes(step, step.y)).apply("Cast", to=ELEMENTS[step.tape.dtype])
    return (hit * (with_axes(step, step.dy) / hit.sum(reduced_axes(step))),)


@rule("ReduceL1")
def reduce_l1(step: Step) -> Cotangents:
    """``y = sum of |x|``;  ``dx = dy sign(x)``."""
    return (step.x.apply("Sign") * with_axes(step, step.dy),)


@rule("ReduceL2")
def reduce_l2(step: Step) -> Cotangents:
    """``y = sqrt(sum of x^2)``;  ``dx = dy x / y``, and 0 where y = 0, as in PyTorch."""
    norm = with_axes(step, step.y)
    zero = step.tape.real(0.0)
    ratio = norm.apply("Equal", zero).apply("Where", zero, with_axes(step, step.dy) / norm)
    return (step.x * ratio,)


@rule("ReduceSumSquare")
def reduce_sum_of_squares(step: Step) -> Cotangents:
    """``y = sum of x^2``;  ``dx = 2 dy x``."""
    return (step.x * (with_axes(step, step.dy) * 2.0),)


@rule("ReduceProd")
def reduce_product(step: Step) -> Cotangents:
    """``y = product of x``;  ``dx = dy`` times the product of the others, which zeros among them make 0."""
    if not reduced_axes(step):
        return (step.dy,)
    zero = step.x.apply("Equal", step.tape.real(0.0)).apply("Cast", to=ELEMENTS[step.tape.dtype])
    filled = step.x + zero  # a 1 where x is 0
    axes = reduced_axes(step)
    product = filled.apply("ReduceProd", step.tape.integers(axes), keepdims=1)
    other_zeros = zero.sum(axes) - zero
    without_others = (1.0 - other_zeros).apply("Relu")
    return (with_axes(step, step.dy) * product / filled * without_others,)


@rule("ReduceLogSum")
def reduce_log_sum(step: Step) -> Cotangents:
    """``y = log(sum of x)``;  ``dx = dy exp(-y)`` everywhere."""
    return (_repeated(step, step.dy * (-step.y).apply("Exp")),)


@rule("ReduceLogSumExp")
def reduce_log_sum_exp(step: Step) -> Cotangents:
    """``y = log(sum of exp x)``;  ``dx = dy exp(x - y)``."""
    return ((step.x - with_axes(step, step.y)).apply("Exp") * with_axes(step, step.dy),)


@rule("CumSum")
def cumulative_sum(step: Step) -> Cotangents:
    """``y[i] = x[0] + ... + x[i]``;  ``dx[i] = dy[i] + dy[i+1] + ...``: the same from the other end."""
    turned = 1 - step.integer("reverse", 0)
    return (step.dy.apply("CumSum", step.input(1), exclusive=step.integer("exclusive", 0), reverse=turned),)


def reduced_axes(step: Step) -> list[int]:
    """Tell the axes that a reduction removes, counted from the front, in order."""
    axes = step.constant_integers(1, "axes")
    if axes:
        return sorted(axis % step.x.rank for axis in axes)
    nothing = step.integer("noop_with_empty_axes", 0)
    return [] if nothing else list(range(step.x.rank))


def with_axes(step: Step, reduced: Tensor) -> Tensor:
    """Give a reduction's result its removed axes back, of length 1."""
    axes = reduced_axes(step)
    if step.integer("keepdims", 1) or not axes:
        return reduced
    return reduced.apply("Unsqueeze", step.tape.integers(axes))


def _repeated(step: Step, reduced: Tensor) -> Tensor:
    """Give a cotangent of the result to every entry that was reduced to it."""
    return expand_like(with_axes(step, reduced), step.x, batch_kept=0 not in reduced_axes(step))
