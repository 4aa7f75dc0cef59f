"""Central differences in float64: the oracle of a gradient that knows nothing of derivative rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from service.bundle.evidence import ErrorSummary, FiniteDifferences
from service.bundle.float64 import Array64, Float64Graph
from service.errors import GraphError

STEPS = (1e-4, 1e-6, 1e-8)
"""Large steps cross kinks, small ones lose digits. A network of ReLUs needs the smallest, and float64 bears it; an
operator that computes in float32 whatever it is given needs the largest."""

ROUNDINGS = 16
"""Units in the last place by which a logit of a deep network may be off in float64, about."""

DOUBTFUL = 0.01
"""Relative error from which on it is asked whether rounding alone may be the cause."""

TINY = 1e-30
"""Divided by instead of the norm of a gradient that is zero: right if the differences are zero as well."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where a gradient of ``sum(cotangent * logits)`` was taken, and what it was.

    Args:
        inputs: Every input of the classifier, by name.
        variable: The input that the gradient is for.
        cotangent: ``[1, C]``.
        gradient: Of the variable's shape.
    """

    inputs: Mapping[str, Array64]
    variable: str
    cotangent: Array64
    gradient: Array64


def check_gradients(
    classifier: Float64Graph,
    points: Sequence[Point],
    *,
    directions: int,
    steps: Sequence[float] = STEPS,
) -> FiniteDifferences:
    """Compare gradients with differences of the classifier along random directions.

    Args:
        classifier: Gives ``logits``.
        points: The gradients under test.
        directions: Directions per point, every element +1 or -1.
        steps: Step sizes to try.

    Returns:
        The errors at the step where their median is smallest.

    Raises:
        GraphError: The gradient is so small that rounding in float64 hides it, or something is not finite.

    Examples:
        The gradient of 3x is 3; one of 2 is off by a third of the true and half of the stated slope:

        >>> from onnx import parser
        >>> text = 'g (float[1,1] x) => (float[1,1] logits) <float[1] k = {3}> { logits = Mul(x, k) }'
        >>> graph = Float64Graph(parser.parse_model('<ir_version: 10, opset_import: ["" : 20]>' + text))
        >>> one = np.ones((1, 1))
        >>> check_gradients(graph, [Point({"x": one}, "x", one, 2 * one)], directions=2).errors
        ErrorSummary(median=0.5, largest=0.5, count=2)
    """
    errors = np.empty((len(steps), len(points), directions))
    rounding = np.empty_like(errors)
    for index, point in enumerate(points):
        generator = np.random.default_rng(index)
        norm = max(float(np.linalg.norm(point.gradient)), TINY)
        for which in range(directions):
            direction = generator.choice((-1.0, 1.0), point.gradient.shape)
            stated = np.vdot(point.gradient, direction)
            for position, step in enumerate(steps):
                change, size = _central_difference(classifier, point, step * direction)
                errors[position, index, which] = abs(stated - change / step) / norm
                rounding[position, index, which] = ROUNDINGS * np.finfo(np.float64).eps * size / step / norm
    errors[~np.isfinite(errors)] = np.inf
    best = int(np.argmin(np.median(errors, axis=(1, 2))))
    if not np.isfinite(errors[best]).all():
        raise GraphError(
            "the classifier or its gradient is not finite in float64, so there is nothing to compare"
        )
    if DOUBTFUL < np.median(errors[best]) < np.median(rounding[best]):
        raise GraphError(
            "the gradient is so small beside the logits that finite differences in float64 cannot tell whether it is "
            "right"
        )
    return FiniteDifferences(errors=ErrorSummary.of(errors[best]), step=steps[best], steps=tuple(steps))


def _central_difference(classifier: Float64Graph, point: Point, move: Array64) -> tuple[float, float]:
    """Half the change of ``sum(cotangent * logits)`` between the two ends of a move, and how large it is there."""
    ends = []
    for sign in (1.0, -1.0):
        moved = {**point.inputs, point.variable: point.inputs[point.variable] + sign * move}
        ends.append(np.vdot(point.cotangent, classifier(moved, "logits")))
    return float(ends[0] - ends[1]) / 2, float(np.max(np.abs(ends)))
