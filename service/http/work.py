"""What happens to a picture between the request's body and the engine's answer."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeAlias, TypeVar

import numpy as np

from service.arrays import Picture
from service.http.edge import Edge
from service.http.observation import Observation
from service.http.submission import MASK, Submission
from service.imaging.decode import check_size, decode
from service.imaging.map_file import MapLimits
from service.imaging.region import Mask, read_mask
from service.request import PredictOptions
from service.runtime.journey import Stage

T = TypeVar("T")

Sent: TypeAlias = "bytes | Picture"
"""A file, or pixels as they are: ``[height, width, 3]``, RGB in [0, 255]."""


@dataclass(frozen=True, slots=True)
class Begun(Generic[T]):
    """A request that the engine has taken.

    Args:
        picture: Upright; without its pixels unless they are to be kept.
        decode_ms: What decoding took.
        work: The engine's.
    """

    picture: Picture
    decode_ms: float
    work: "Future[T]"


async def begin(
    edge: Edge,
    observation: Observation,
    sent: Sent,
    submit: "Callable[[Picture], Future[T]]",
    *,
    keep_pixels: bool = False,
) -> Begun[T]:
    """Decode a picture and hand it to the engine, on one codec thread in one go.

    In two, the second would queue behind other requests' pictures while the device may be idle.

    Args:
        edge: What routes need.
        observation: Is told how long decoding took, waiting for a thread included.
        sent: The picture's file, or its pixels.
        submit: Hands the picture to the engine. Called on the codec thread, as it resizes the picture first.
        keep_pixels: Whether they are needed once more, for an overlay. Requests wait for the device by the dozen, and
            the pixels of each may be 150 MB.

    Raises:
        ImageError: The picture cannot be used.
        SaliserveError: What *submit* raises.
    """
    asked_s = time.perf_counter()
    job = edge.codecs.submit(
        partial(_begin, edge, sent, submit, observation, asked_s, keep_pixels=keep_pixels)
    )
    try:
        return await asyncio.wrap_future(job)
    except asyncio.CancelledError:
        job.add_done_callback(_drop)  # at once if it is done already; else nobody would ever know of the work
        raise


def _begin(
    edge: Edge,
    sent: Sent,
    submit: "Callable[[Picture], Future[T]]",
    observation: Observation,
    asked_s: float,
    *,
    keep_pixels: bool,
) -> Begun[T]:
    try:
        picture, decode_ms = decoded(edge, sent)
    finally:
        observation.stages.append(Stage("decode", asked_s, time.perf_counter()))
    work = submit(picture)
    return Begun(picture if keep_pixels else _extent(picture), decode_ms, work)


def _extent(picture: Picture) -> Picture:
    """Keep a picture's shape and let go of its pixels: all of them are one zero."""
    return np.broadcast_to(np.uint8(0), picture.shape)


def _drop(job: "Future[Begun[T]]") -> None:
    if not job.cancelled() and job.exception() is None:
        job.result().work.cancel()


async def mask_of(edge: Edge, submission: Submission) -> Mask | None:
    """Read the mask on a codec thread, if one was sent: it may have as many pixels as a picture.

    Raises:
        OptionError: It is no picture, or broken.
    """
    data = submission.files.get(MASK)
    if data is None:
        return None
    limits = MapLimits(side=edge.settings.max_side, pixels=edge.settings.max_pixels)
    return await edge.aside(partial(read_mask, data, limits))


def decoded(edge: Edge, sent: Sent) -> tuple[Picture, float]:
    """Decode a picture, unless it came as pixels, and say how many milliseconds that took.

    Raises:
        ImageError: It cannot be used.
    """
    begin_s = time.perf_counter()
    if isinstance(sent, bytes):
        picture = decode(sent, edge.image_limits)
    else:
        height, width = sent.shape[:2]
        check_size(width, height, edge.image_limits)
        picture = sent
    return picture, 1e3 * (time.perf_counter() - begin_s)


def time_left(options: PredictOptions, arrived_s: float) -> float | None:
    """Milliseconds of the caller's deadline that are left, counted from the request's arrival.

    Args:
        options: With the deadline.
        arrived_s: When the request arrived, by :func:`time.perf_counter`.
    """
    if options.deadline_ms is None:
        return None
    return max(0.0, options.deadline_ms - 1e3 * (time.perf_counter() - arrived_s))
