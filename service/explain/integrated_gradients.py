"""Integrate the gradient along the straight line from a baseline to the image."""

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from service.explain.explanation import Explanation
from service.explain.method import Method, Parameters
from service.explain.sampling import chunks
from service.explain.subject import Subject
from service.imaging.baselines import BASELINES
from service.runtime.plan import Answer, DeadlineReached, Direction, MicroBatch, Plan, Stage
from service.runtime.program import DeviceTensor

ROUNDINGS = 16
"""Units in the last place by which a logit of a deep network may be off in float32, about."""

# Tripling the points of a midpoint rule keeps the old ones: no gradient is thrown away.
_REFINEMENT = 3


class IntegratedGradientsParameters(Parameters):
    """Points on the path, the bound when they are too few, and where the path starts."""

    steps: int = Field(50, ge=1, le=2000, description="Points on the path (midpoint rule).")
    maximum_steps: int = Field(
        150, ge=1, le=2000, description="While the gap is too large, points are tripled up to this many."
    )
    relative_gap: float = Field(
        0.05, gt=0, description="Largest tolerated completeness gap, as a share of the change of the logit."
    )
    baseline: Literal["black", "channel_mean", "gaussian_blur"] = Field(
        "black", description="The image that explains nothing; the path starts there."
    )


@dataclass(frozen=True, slots=True)
class _Path:
    """The straight line, the change of the scalar along it, and by how much rounding may have moved that."""

    subject: Subject
    baseline: DeviceTensor
    change: float
    rounding: float

    def tolerated(self, relative_gap: float) -> float:
        """Give the largest gap that is none."""
        change = abs(self.change)
        return max(relative_gap * change, self.rounding if change <= self.rounding else 0.0)


def plan(subject: Subject, parameters: IntegratedGradientsParameters) -> Plan[Explanation]:
    """Explain by ``(x - baseline) * mean gradient on the path``, summed over the channels.

    By completeness the map sums to ``logit(x) - logit(baseline)``. The path integral is taken with the
    midpoint rule; while the sum misses by more than *relative_gap*, the points are tripled, up to
    *maximum_steps*. Where the whole change is rounding, a gap of rounding is none. The remaining gap is
    returned, in logits.

    References:
        Sundararajan, Taly, Yan. "Axiomatic Attribution for Deep Networks", ICML 2017, sections 3 and 5.
        https://arxiv.org/abs/1703.01365
    """
    device = subject.model.device
    baseline = device.upload(BASELINES[parameters.baseline](subject.pixels)[None])
    path = yield from _path(subject, baseline)
    forwards, steps = 2, parameters.steps
    total = device.upload(np.zeros((1, *subject.pixels.shape), np.float64))
    done: NDArray[np.float64] = np.empty(0)
    explanation = None
    while True:
        points = np.setdiff1d(midpoints(steps), done, assume_unique=True) if done.size else midpoints(steps)
        try:
            for chunk in chunks(len(points), subject.model.micro_batch(Direction.GRADIENT), len(points)):
                total = yield from _add_gradients(path, points[chunk], total)
                forwards += chunk.stop - chunk.start
        except DeadlineReached as signal:
            if explanation is None:
                raise
            spent = replace(explanation, forwards=forwards)
            return _unconverged(spent, f"{signal.reason}: the path could not be refined further")
        done = midpoints(steps)
        explanation = _attribute(path, total, steps, forwards)
        gap = abs(explanation.completeness_gap or 0.0)
        if gap <= path.tolerated(parameters.relative_gap):
            return explanation
        if steps * _REFINEMENT > parameters.maximum_steps:
            return _unconverged(
                explanation,
                f"completeness is missed by {gap:.3g} of {abs(path.change):.3g} logits after {steps} steps; "
                "raise maximum_steps",
            )
        steps *= _REFINEMENT


def midpoints(steps: int) -> NDArray[np.float64]:
    """Return the midpoint rule's positions on [0, 1]; those of n are among those of 3n.

    Positions are odd multiples of ``1 / (2 steps)``, computed so that equal positions are equal floats.

    Examples:
        >>> midpoints(2)
        array([0.25, 0.75])
        >>> bool(np.isin(midpoints(5), midpoints(15)).all())
        True
    """
    numerator = 2 * np.arange(steps) + 1
    divisor = np.gcd(numerator, 2 * steps)
    positions: NDArray[np.float64] = (numerator // divisor) / (2 * steps // divisor)
    return positions


def _path(subject: Subject, baseline: DeviceTensor) -> Generator[MicroBatch, Answer, _Path]:
    """Measure the scalar at both ends."""
    ends = Stage(
        subject.model.programs.path,
        {"image": subject.image, "baseline": baseline, "position": np.array([0, 1], np.float32)},
    )
    answer = yield MicroBatch(ends, 2, answer=subject.scalars)
    at_baseline, at_image = answer["logit"].numpy().astype(np.float64)
    largest = max(abs(at_image), abs(at_baseline))
    rounding = ROUNDINGS * float(np.finfo(np.float32).eps) * largest
    return _Path(subject, baseline, float(at_image - at_baseline), float(rounding))


def _add_gradients(
    path: _Path, points: NDArray[np.float64], total: DeviceTensor
) -> Generator[MicroBatch, Answer, DeviceTensor]:
    """Add the gradients at *points*, a micro-batch of them, to *total*, on the device."""
    subject, programs = path.subject, path.subject.model.programs
    position = points.astype(np.float32)
    images = Stage(programs.path, {"image": subject.image, "baseline": path.baseline, "position": position})
    add = Stage(programs.gradient_sum, {"total": total, "weight": np.ones_like(position)})
    answer = yield MicroBatch(
        images, len(position), Direction.GRADIENT, subject.cotangents(len(position)), add
    )
    return answer["new_total"]


def _attribute(path: _Path, total: DeviceTensor, steps: int, forwards: int) -> Explanation:
    attributed = path.subject.model.programs.path_attribution(
        {"total": total, "image": path.subject.image, "baseline": path.baseline}
    )
    attribution = attributed["attribution"].numpy().astype(np.float64) / steps
    gap = float(attributed["sum"].numpy()) / steps - path.change
    return Explanation(map=attribution.astype(np.float32), forwards=forwards, completeness_gap=gap)


def _unconverged(explanation: Explanation, warning: str) -> Explanation:
    return replace(explanation, converged=False, warnings=(warning,))


METHOD = Method(
    name="integrated_gradients",
    summary="Shares the change of the logit between a baseline and the image out to the pixels.",
    parameters=IntegratedGradientsParameters,
    direction=Direction.GRADIENT,
    forwards=lambda _height, _width, parameters: 2 + max(parameters.steps, parameters.maximum_steps),
    plan=plan,
    least=lambda _height, _width, parameters: 2 + parameters.steps,
)
