"""What LIME and KernelSHAP share: superpixels that are switched on and off together."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from service.arrays import SaliencyMap, Segments
from service.errors import OptionError
from service.explain.convergence import agreement, judge
from service.explain.explanation import Explanation
from service.explain.method import Baseline, Parameters, Scalar
from service.explain.sampling import Samples, sample
from service.explain.subject import Subject
from service.imaging.superpixels import grid_segments, superpixels
from service.runtime.plan import Answer, MicroBatch, Stage
from service.runtime.program import DeviceTensor

Coalitions: TypeAlias = NDArray[np.bool_]
"""``[N, superpixels]``: row n says which superpixels image n shows; the others show the baseline."""

Segmentation: TypeAlias = Literal["superpixels", "grid"]


class CoalitionParameters(Parameters):
    """What is switched, by what it is replaced, and when there was enough of it."""

    superpixels: int = Field(64, ge=1, le=512, description="About how many parts the image is cut into.")
    segmentation: Segmentation = Field(
        "superpixels", description="Whether the parts follow the colours or are the cells of a grid."
    )
    baseline: Baseline = Field("channel_mean", description="What a part shows when it is switched off.")
    samples: int = Field(2000, ge=2, le=20_000, description="Most images with some parts switched off.")
    agreement: float | None = Field(
        0.95,
        gt=0,
        lt=1,
        description="Stop when the map's estimated correlation with that of infinitely many samples is this; "
        "null to use all samples.",
    )


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number per superpixel, from some of the samples.

    Args:
        values: ``[superpixels]``.
        standard_error: Likewise; None if the samples do not suffice to tell.
        fidelity: Share of the variance of the answers that the values explain; None if that is not asked.
    """

    values: NDArray[np.float64]
    standard_error: NDArray[np.float64] | None
    fidelity: float | None = None


def cut(subject: Subject, parameters: CoalitionParameters) -> Segments:
    """Cut the image into the parts that are switched.

    Raises:
        OptionError: There are fewer pixels than parts.
    """
    check_parts(subject.model.height, subject.model.width, parameters)
    if parameters.segmentation == "grid":
        return grid_segments(subject.model.height, subject.model.width, parameters.superpixels)
    return superpixels(subject.pixels, parameters.superpixels)


def check_parts(height: int, width: int, parameters: CoalitionParameters) -> None:
    """Refuse more parts than pixels.

    Raises:
        OptionError: As stated.
    """
    if parameters.superpixels > height * width:
        raise OptionError(
            f"superpixels is {parameters.superpixels}; the model's input has {width} x {height} pixels. "
            f"Choose at most {height * width}.",
            where="options.superpixels",
        )


def play(
    subject: Subject,
    segments: Segments,
    coalitions: Coalitions,
    *,
    replacement: DeviceTensor,
    scalar: Scalar,
    settled: Callable[[NDArray[np.float64]], bool] | None = None,
) -> Generator[MicroBatch, Answer, Samples]:
    """Ask the model about images of which only some superpixels are shown.

    Args:
        subject: The model and the scalar.
        segments: ``[H, W]``: the superpixel of every pixel.
        coalitions: Which are shown.
        replacement: ``[1, 3, H, W]``: what the others show.
        scalar: Whether logits or probabilities are wanted.
        settled: Says of the answers so far whether they suffice.

    Raises:
        DeadlineReached: There is not one answer yet.
    """
    model = subject.model
    fixed = {
        "image": subject.image,
        "replacement": replacement,
        "segments": model.device.upload(segments),
    }
    return (
        yield from sample(
            subject,
            lambda chunk: Stage(model.programs.segments, {**fixed, "removed": ~coalitions[chunk]}),
            len(coalitions),
            scalar=scalar,
            settled=settled,
        )
    )


def paint_explanation(
    estimate: Estimate,
    segments: Segments,
    samples: Samples,
    *,
    goal: float | None,
    forwards: int,
    completeness_gap: float | None = None,
) -> Explanation:
    """Give every pixel the value of its superpixel, and say whether the values have settled."""
    error = estimate.standard_error
    converged, warnings = judge(samples.taken, painted_agreement(estimate, segments), goal, "samples")
    return Explanation(
        map=paint(estimate.values, segments),
        forwards=forwards,
        converged=converged,
        standard_error=None if error is None else paint(error, segments),
        completeness_gap=completeness_gap,
        fidelity=estimate.fidelity,
        warnings=warnings,
    )


def painted_agreement(estimate: Estimate, segments: Segments) -> float:
    """Estimate the correlation over the pixels with the map of infinitely many samples; 0 if nothing is known."""
    if estimate.standard_error is None:
        return 0.0
    return agreement(paint(estimate.values, segments), paint(estimate.standard_error, segments))


def paint(values: NDArray[np.float64], segments: Segments) -> SaliencyMap:
    """``[H, W]``: every pixel has the value of its superpixel."""
    return values[segments].astype(np.float32)
