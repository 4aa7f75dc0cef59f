"""Derivatives of arithmetic between tensors that broadcast."""

import math

import numpy as np
from onnx import NodeProto

from service.graphs.facts import ELEMENTS
from service.graphs.rules.broadcast import unbroadcast
from service.graphs.rules.gate import gelu_slope, hard_swish_slope, swish_slope
from service.graphs.step import Cotangents, Step, rule
from service.graphs.tape import Tape, Tensor, attributes_of

HALF = 0.5
"""HardSigmoid's offset, in hard swish and by default."""


@rule("Add", "Sum")
def add(step: Step) -> Cotangents:
    """``y = x0 + x1 + ...``;  ``dxi = dy``, summed over what was broadcast."""
    return _each(step, step.dy)


@rule("Mean")
def mean(step: Step) -> Cotangents:
    """``y = (x1 + ... + xn) / n``;  ``dxi = dy / n``, summed over what was broadcast."""
    return _each(step, step.dy * (1 / len(step.node.input)))


@rule("Sub")
def subtract(step: Step) -> Cotangents:
    """``y = a - b``;  ``da = dy, db = -dy``."""
    return (
        unbroadcast(step.dy, step.x, step.y) if step.needs(0) else None,
        -unbroadcast(step.dy, step.input(1), step.y) if step.needs(1) else None,
    )


@rule("Mul")
def multiply(step: Step) -> Cotangents:
    """``y = a b``;  ``da = dy b, db = dy a``; where b is a's sigmoid or ramp, both at once in a."""
    a, b = step.x, step.input(1)
    for position, (x, gate) in enumerate(((a, b), (b, a))):
        slope = _self_gated_slope(step, x, gate) if step.needs(position) else None
        if slope is not None:
            return (step.dy * slope, None) if position == 0 else (None, step.dy * slope)
    return (
        unbroadcast(step.dy * b, a, step.y) if step.needs(0) else None,
        unbroadcast(step.dy * a, b, step.y) if step.needs(1) else None,
    )


@rule("Div")
def divide(step: Step) -> Cotangents:
    """``y = a / b``;  ``da = dy / b, db = -dy y / b``."""
    a, b = step.x, step.input(1)
    quotient = step.dy / b
    return (
        unbroadcast(quotient, a, step.y) if step.needs(0) else None,
        -unbroadcast(quotient * step.y, b, step.y) if step.needs(1) else None,
    )


@rule("Pow")
def power(step: Step) -> Cotangents:
    """``y = a^b``;  ``da = dy b a^(b-1), db = dy y log a``; the latter counts as 0 where y = 0."""
    a, b = step.x, _real(step.input(1))
    da = db = None
    if step.needs(0):
        da = unbroadcast(step.dy * _power_slope(step, a, b), a, step.y)
    if step.needs(1):
        zero = step.tape.real(0.0)
        slope = step.y.apply("Equal", zero).apply("Where", zero, step.y * a.apply("Log"))
        db = unbroadcast(step.dy * slope, b, step.y)
    return (da, db)


@rule("Max", "Min")
def extremum(step: Step) -> Cotangents:
    """``y = max(x1, ..., xn)`` or min;  ``dxi = dy 1[xi = y] / (how many xj = y)``: ties share, as in PyTorch."""
    count = len(step.node.input)
    element = ELEMENTS[step.tape.dtype]
    hits = [step.input(i).apply("Equal", step.y).apply("Cast", to=element) for i in range(count)]
    shared = step.dy
    if count > 1:
        ties = hits[0]
        for hit in hits[1:]:
            ties = ties + hit
        shared = step.dy / ties
    return tuple(
        unbroadcast(shared * hits[i], step.input(i), step.y) if step.needs(i) else None for i in range(count)
    )


@rule("Where")
def where(step: Step) -> Cotangents:
    """``y = a where c, else b``;  ``da = dy where c, else 0; db = 0 where c, else dy``."""
    chosen, zero = step.x, step.tape.real(0.0)
    return (
        None,
        unbroadcast(chosen.apply("Where", step.dy, zero), step.input(1), step.y) if step.needs(1) else None,
        unbroadcast(chosen.apply("Where", zero, step.dy), step.input(2), step.y) if step.needs(2) else None,
    )


def _each(step: Step, cotangent: Tensor) -> Cotangents:
    return tuple(
        unbroadcast(cotangent, step.input(i), step.y) if step.needs(i) else None
        for i in range(len(step.node.input))
    )


def _power_slope(step: Step, a: Tensor, b: Tensor) -> Tensor:
    """``b a^(b-1)``, and 0 where b is 0, as in PyTorch; without a power where the exponent is 0, 2 or 1/2."""
    zero = step.tape.real(0.0)
    exponent = None if b.value is None or b.value.size != 1 else float(b.value.reshape(()))
    if exponent == 0:
        return zero
    if exponent == 2:  # noqa: PLR2004 - a square
        return a * 2.0
    if exponent == 0.5:  # noqa: PLR2004 - a square root
        return 0.5 / step.y
    if exponent is not None:
        return a.apply("Pow", step.tape.real(exponent - 1)) * exponent
    return b.apply("Equal", zero).apply("Where", zero, b * a.apply("Pow", b - 1.0))


def _real(exponent: Tensor) -> Tensor:
    """Bring an exponent to the type of what it raises; it may be of integers."""
    tape = exponent.tape
    if tape.facts.types.get(exponent.name, tape.dtype) == tape.dtype:
        return exponent
    return (
        exponent.apply("Cast", to=ELEMENTS[tape.dtype])
        if exponent.value is None
        else tape.real(exponent.value)
    )


def _self_gated_slope(step: Step, x: Tensor, gate: Tensor) -> Tensor | None:
    """Differentiate ``x gate(x)`` as one function, if it is SiLU, hard swish or GELU; fewer passes than two products."""
    producer = step.tape.producers.get(gate.name)
    if producer is None:
        return None
    if producer.op_type == "Sigmoid" and producer.input[0] == x.name:
        return swish_slope(step.y, gate)
    if producer.op_type == "HardSigmoid" and producer.input[0] == x.name:
        found = attributes_of(producer)
        sixth = "alpha" in found and found["alpha"].f == np.float32(1 / 6)
        ramp = sixth and ("beta" not in found or found["beta"].f == HALF)
        return hard_swish_slope(x, gate) if ramp else None
    scaled = _scaled_for_gelu(step.tape, x, producer) if producer.op_type == "Add" else None
    return None if scaled is None else gelu_slope(x, scaled, gate)


def _scaled_for_gelu(tape: Tape, x: Tensor, producer: NodeProto) -> Tensor | None:
    """Find ``x / sqrt 2`` in ``1 + erf(x / sqrt 2)``; None if it is anything else."""
    by_constant = {tape.value(name) is not None: name for name in producer.input}
    one, error = tape.value(by_constant.get(True, "")), tape.producers.get(by_constant.get(False, ""))
    if one is None or not np.all(one == 1) or error is None or error.op_type != "Erf":
        return None
    scaling = tape.producers.get(error.input[0])
    if scaling is None or scaling.op_type not in {"Div", "Mul"} or scaling.input[0] != x.name:
        return None
    factor = tape.value(scaling.input[1])
    wanted = math.sqrt(2) if scaling.op_type == "Div" else math.sqrt(0.5)
    if factor is None or factor.size != 1 or not np.allclose(factor, wanted, rtol=1e-6, atol=0):
        return None
    return tape.tensor(error.input[0])
