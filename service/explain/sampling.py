"""Ask the model about many altered images, until enough is known or time is up."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.explain.method import Scalar
from service.explain.subject import Subject
from service.runtime.plan import Answer, DeadlineReached, Direction, ForwardsSpent, MicroBatch, Pieces, Stage
from service.runtime.program import DeviceTensor

ROUND = 64
"""Images between two looks at whether the map has settled: whole micro-batches, on a GPU large ones."""


@dataclass(frozen=True, slots=True)
class Taken:
    """How many samples were taken.

    Args:
        done: So many.
        asked: Of so many.
        stopped_by: The option that ended the work early; empty if none did.
    """

    done: int
    asked: int
    stopped_by: str = ""


@dataclass(frozen=True, slots=True)
class Samples:
    """What the model said of the first altered images of a list.

    Args:
        values: ``[n]``: the scalar that is explained, float64.
        asked: How many images there were to ask about.
        stopped_by: The option that ended the work early; empty if none did.
    """

    values: NDArray[np.float64]
    asked: int
    stopped_by: str = ""

    @property
    def taken(self) -> Taken:
        """The same without the values."""
        return Taken(len(self.values), self.asked, self.stopped_by)

    def warnings(self, what: str) -> tuple[str, ...]:
        """Say what was left undone, if anything was.

        Examples:
            >>> Samples(np.zeros(2), 4, "deadline").warnings("windows were covered")
            ('deadline: 2 of 4 windows were covered',)
        """
        if not self.stopped_by:
            return ()
        return (f"{self.stopped_by}: {len(self.values)} of {self.asked} {what}",)


def sample(
    subject: Subject,
    images: Callable[[slice], Stage | Pieces],
    count: int,
    *,
    scalar: Scalar,
    settled: Callable[[NDArray[np.float64]], bool] | None = None,
    direction: Direction = Direction.FORWARD,
) -> Generator[MicroBatch, Answer, Samples]:
    """Run up to *count* altered images through the model.

    Args:
        subject: The model and the scalar.
        images: Makes the images of a slice of the list.
        count: Length of the list.
        scalar: Whether logits or probabilities are wanted.
        settled: Says of the values so far whether they suffice. Asked after every round, whatever the
            micro-batch, so that where the work ends does not depend on the device.
        direction: FORWARD, or INCREMENTAL where *images* gives pieces.

    Raises:
        DeadlineReached: There is not one value yet.
    """
    values: list[NDArray[np.float64]] = []
    stopped_by = ""
    try:
        size = subject.model.micro_batch(direction)

        def batch(chunk: slice) -> MicroBatch:
            return MicroBatch(images(chunk), chunk.stop - chunk.start, direction, answer=subject.scalars)

        for chunk in chunks(count, size, count if settled is None else ROUND):
            values.append((yield from _scalars(batch, chunk, scalar)))
            if settled is not None and chunk.stop % ROUND == 0 and settled(np.concatenate(values)):
                break
    except DeadlineReached as signal:
        if not values:
            raise
        stopped_by = signal.reason
    return Samples(np.concatenate([np.empty(0), *values]), count, stopped_by)


def _scalars(
    batch: Callable[[slice], MicroBatch], chunk: slice, scalar: Scalar
) -> Generator[MicroBatch, Answer, NDArray[np.float64]]:
    """Ask about a chunk, or about as much of it as max_forwards allows, whatever the micro-batch."""
    try:
        answer = yield batch(chunk)
    except ForwardsSpent as signal:
        if not signal.left:
            raise
        answer = yield batch(slice(chunk.start, chunk.start + signal.left))
    return np.asarray(answer[scalar].numpy(), np.float64)


def ask(
    subject: Subject, image: "Stage | DeviceTensor", scalar: Scalar
) -> Generator[MicroBatch, Answer, float]:
    """Run one image through the model."""
    answer = yield MicroBatch(image, 1, answer=subject.scalars)
    return float(answer[scalar].numpy()[0])


def chunks(count: int, size: int, per_round: int) -> Iterator[slice]:
    """Cut ``range(count)`` into pieces of at most *size* that do not reach over the end of a round.

    Examples:
        >>> [(chunk.start, chunk.stop) for chunk in chunks(60, 32, 50)]
        [(0, 32), (32, 50), (50, 60)]
    """
    for start in range(0, count, per_round):
        stop = min(start + per_round, count)
        for begin in range(start, stop, size):
            yield slice(begin, min(begin + size, stop))
