"""What SmoothGrad and VarGrad share: the gradient at many noisy copies of the image, until they suffice."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from service.arrays import SaliencyMap
from service.explain.convergence import agreement, judge, suffices
from service.explain.explanation import Explanation
from service.explain.method import Parameters
from service.explain.sampling import Taken, chunks
from service.explain.subject import Subject
from service.graphs.programs.noise import noise_key
from service.runtime.plan import Answer, DeadlineReached, Direction, ForwardsSpent, MicroBatch, Plan, Stage
from service.runtime.program import DeviceTensor, Program

FEWEST_SAMPLES = 2
"""A spread needs two."""

ROUND = 16
"""Copies between two looks at whether the map has settled; of fewer the standard error is too rough to stop by."""

Sums = Mapping[str, DeviceTensor]
"""``[1, 3, H, W]`` each, float64: of the gradients and their powers, by name."""


class NoisyGradientParameters(Parameters):
    """How many noisy copies, how noisy, and when there were enough."""

    samples: int = Field(24, ge=FEWEST_SAMPLES, le=10_000, description="Most noisy copies of the image.")
    deviation: float = Field(
        0.15, gt=0, le=1, description="Standard deviation of the noise, in units of intensity (white is 1)."
    )
    agreement: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Stop when the map's estimated correlation with that of infinitely many copies is this; "
        "null to use all copies.",
    )


@dataclass(frozen=True, slots=True)
class Statistic:
    """What is made of the gradients.

    Args:
        programs: Each adds a micro-batch's gradients to sums, ``x`` to ``new_x``.
        sums: Their names.
        reckon: Makes the map and its standard error, both ``[H, W]``, of the sums over so many gradients.
    """

    programs: tuple[Program, ...]
    sums: tuple[str, ...]
    reckon: Callable[[Sums, int], tuple[SaliencyMap, SaliencyMap]]

    def stages(self, sums: Sums) -> tuple[Stage, ...]:
        """Say how the device adds a micro-batch."""
        return tuple(
            Stage(program, {name: sums[name] for name in self.sums if name in program.inputs})
            for program in self.programs
        )


def explain_by_noise(
    subject: Subject, parameters: NoisyGradientParameters, statistic: Statistic
) -> Plan[Explanation]:
    """Take the gradient at ``image + noise`` until the map has settled; at a deadline, answer with what there is.

    Sample n of a seed is the same noise on every device, and the sums are carried in float64, so that the
    result does not depend on the micro-batch. The agreement is reckoned as for RISE. A map that takes the
    largest channel is a little too large where there is only noise; the standard error, that of the channel that
    varies most, is too large as well, and the estimate with them never exceeded the real correlation in
    simulations.

    Raises:
        DeadlineReached: There is not even a spread yet.
    """
    model, goal = subject.model, parameters.agreement
    zeros = model.device.upload(np.zeros((1, *subject.pixels.shape), np.float64))
    sums: Sums = dict.fromkeys(statistic.sums, zeros)
    done, stopped_by = 0, ""
    per_round = parameters.samples if goal is None else ROUND
    try:
        for chunk in chunks(parameters.samples, model.micro_batch(Direction.GRADIENT), per_round):
            answer, taken = yield from _gradients(subject, parameters, chunk, statistic.stages(sums))
            sums = {name: answer[f"new_{name}"] for name in sums}
            done += taken
            if (
                goal is not None
                and done % ROUND == 0
                and suffices(agreement(*statistic.reckon(sums, done)), goal)
            ):
                break
    except DeadlineReached as signal:
        if done < FEWEST_SAMPLES:
            raise
        stopped_by = signal.reason
    values, error = statistic.reckon(sums, done)
    taken_of = Taken(done, parameters.samples, stopped_by)
    converged, warnings = judge(taken_of, agreement(values, error), goal, "samples", fewest=ROUND)
    return Explanation(
        map=values, forwards=done, converged=converged, standard_error=error, warnings=warnings
    )


def _gradients(
    subject: Subject, parameters: NoisyGradientParameters, chunk: slice, stages: tuple[Stage, ...]
) -> Generator[MicroBatch, Answer, tuple[Answer, int]]:
    """Add a chunk, or as much of it as max_forwards allows; say how much that was."""
    noise = {
        "image": subject.image,
        "deviation": np.array(parameters.deviation, np.float32),
        "key": np.array(noise_key(subject.seed)),
    }

    def batch(size: int) -> MicroBatch:
        sample = np.arange(chunk.start, chunk.start + size)
        return MicroBatch(
            images=Stage(subject.model.programs.noise, {**noise, "sample": sample}),
            size=size,
            direction=Direction.GRADIENT,
            cotangent=subject.cotangents(size),
            answer=stages,
        )

    whole = chunk.stop - chunk.start
    try:
        return (yield batch(whole)), whole
    except ForwardsSpent as signal:
        if not signal.left:
            raise
        return (yield batch(signal.left)), signal.left
