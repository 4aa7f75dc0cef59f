"""Cover the image with a sliding window and watch the logit fall."""

from collections.abc import Generator
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from service.arrays import Image
from service.errors import OptionError
from service.explain.explanation import Explanation
from service.explain.method import Baseline, Method, Parameters, Scalar
from service.explain.sampling import Samples, sample
from service.explain.subject import Subject
from service.imaging.baselines import BASELINES
from service.runtime.incremental import IncrementalPasses
from service.runtime.model import LoadedModel
from service.runtime.plan import Answer, DeadlineReached, Direction, MicroBatch, Plan, Stage

_NOTHING = np.zeros((1, 4), np.int64)
"""A window without pixels: the image as it is, in the same micro-batch as the others."""

Falls: TypeAlias = Generator[MicroBatch, Answer, tuple[float, Samples]]
"""Returns the scalar of the image as it is, and those of the covered ones."""


class OcclusionParameters(Parameters):
    """Window and stride in pixels of the model's input, and what the window shows instead."""

    window: int = Field(
        32, ge=1, le=4096, description="Side of the square window, pixels of the model's input."
    )
    stride: int = Field(16, ge=1, le=4096, description="Step of the window, pixels of the model's input.")
    baseline: Baseline = Field("channel_mean", description="What the window shows instead of the image.")
    scalar: Scalar = Field("logit", description="What of the model's answer is explained.")


def plan(subject: Subject, parameters: OcclusionParameters) -> Plan[Explanation]:
    """Explain by the fall of the scalar when a window is covered, averaged over the windows on a pixel.

    Windows start at multiples of the stride; the last ones overhang the border. If the deadline comes
    first, the map holds the windows done so far (in a seeded order, so that they are spread over the
    image) and ``converged`` is false.

    Raises:
        OptionError: The window is larger than the image, or the stride than the window (pixels
            between the windows would never be covered).

    References:
        Zeiler, Fergus. "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4.2.
        https://arxiv.org/abs/1311.2901
    """
    model = subject.model
    check(model.height, model.width, parameters)
    drawn = np.random.default_rng(subject.seed).permutation(
        sliding_windows(model.height, model.width, parameters.window, parameters.stride)
    )
    incremental = _incremental(model, parameters)
    if incremental is None:
        clear, covered = yield from _passes(subject, drawn, parameters)
    else:
        clear, covered = yield from _recomputed(subject, drawn, parameters, incremental)
    done = len(covered.values)
    if not done:
        raise DeadlineReached
    return Explanation(
        map=average_over_windows(clear - covered.values, drawn[:done], model.height, model.width),
        forwards=1 + done,
        converged=not covered.stopped_by,
        warnings=covered.warnings("windows were covered"),
    )


def _passes(subject: Subject, windows: NDArray[np.int64], parameters: OcclusionParameters) -> Falls:
    """Run every covered image through the whole model."""
    fixed = {
        "image": subject.image,
        "replacement": subject.model.device.upload(_shown(subject, parameters)[None]),
    }
    windows = np.concatenate([_NOTHING, windows])
    samples = yield from sample(
        subject,
        lambda chunk: Stage(subject.model.programs.windows, {**fixed, "windows": windows[chunk]}),
        len(windows),
        scalar=parameters.scalar,
    )
    return samples.values[0], replace(samples, values=samples.values[1:], asked=len(windows) - 1)


def _recomputed(
    subject: Subject,
    windows: NDArray[np.int64],
    parameters: OcclusionParameters,
    incremental: IncrementalPasses,
) -> Falls:
    """Run the image through the model once, and compute anew what each window changes."""
    pixels = incremental.pixels(subject.pixels, _shown(subject, parameters))
    answer = yield MicroBatch(incremental.whole(pixels), 1, Direction.INCREMENTAL)
    scalars = subject.scalars.program({**subject.scalars.inputs, "logits": answer["logits"]})
    pieces = incremental.pieces(pixels, answer, windows, (parameters.window, parameters.window))
    samples = yield from sample(
        subject, pieces, len(windows), scalar=parameters.scalar, direction=Direction.INCREMENTAL
    )
    return float(scalars[parameters.scalar].numpy()[0]), samples


def _shown(subject: Subject, parameters: OcclusionParameters) -> Image:
    return BASELINES[parameters.baseline](subject.pixels)


def _incremental(model: LoadedModel, parameters: OcclusionParameters) -> IncrementalPasses | None:
    """Say with what windows are computed anew; None where whole passes cost less."""
    if model.incremental is None or not model.incremental.pays(parameters.window, parameters.window):
        return None
    return model.incremental


def _price(model: LoadedModel, parameters: OcclusionParameters) -> float:
    incremental = _incremental(model, parameters)
    if incremental is None:
        return model.forwards_per_pass(Direction.FORWARD)
    work = incremental.work(parameters.window, parameters.window)
    return work * model.forwards_per_pass(Direction.INCREMENTAL)


def check(height: int, width: int, parameters: OcclusionParameters) -> None:
    """Refuse windows that do not fit the image or leave gaps.

    Raises:
        OptionError: As stated.
    """
    if parameters.window > min(height, width):
        raise OptionError(
            f"window is {parameters.window} pixels; the model's input is {width} x {height}. "
            f"Choose a window of at most {min(height, width)}.",
            where="options.window",
        )
    if parameters.stride > parameters.window:
        raise OptionError(
            f"stride {parameters.stride} is larger than window {parameters.window}: pixels in between would never "
            "be covered. Choose a stride of at most the window.",
            where="options.stride",
        )


def sliding_windows(height: int, width: int, window: int, stride: int) -> NDArray[np.int64]:
    """List the windows that cover an image, row by row.

    Returns:
        ``[N, 4]``: top, left, bottom, right; the last two exclusive, clipped to the image.

    Examples:
        >>> sliding_windows(4, 5, window=3, stride=2).tolist()
        [[0, 0, 3, 3], [0, 2, 3, 5], [2, 0, 4, 3], [2, 2, 4, 5]]
    """
    tops = np.arange(0, height - window + stride, stride)
    lefts = np.arange(0, width - window + stride, stride)
    top, left = (grid.ravel() for grid in np.meshgrid(tops, lefts, indexing="ij"))
    bottom, right = np.minimum(top + window, height), np.minimum(left + window, width)
    return np.stack([top, left, bottom, right], axis=1)


def average_over_windows(
    falls: NDArray[np.float64], windows: NDArray[np.int64], height: int, width: int
) -> NDArray[np.float32]:
    """Give every pixel the mean fall of the windows that covered it; 0 where none did.

    Returns:
        ``[height, width]``.
    """
    total = np.zeros((height, width))
    count = np.zeros((height, width))
    for fall, (top, left, bottom, right) in zip(falls, windows, strict=True):
        total[top:bottom, left:right] += fall
        count[top:bottom, left:right] += 1
    return (total / np.maximum(count, 1)).astype(np.float32)


def _forwards(height: int, width: int, parameters: OcclusionParameters) -> int:
    check(height, width, parameters)
    return 1 + len(sliding_windows(height, width, parameters.window, parameters.stride))


METHOD = Method(
    name="occlusion",
    summary="How far the logit falls when a window is covered; needs no gradient.",
    parameters=OcclusionParameters,
    direction=Direction.FORWARD,
    forwards=_forwards,
    plan=plan,
    price=_price,
    least=lambda _height, _width, _parameters: 2,
)
