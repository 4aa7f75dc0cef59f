"""What an explanation or a score asks of the device, and how it says so.

A *plan* is a generator. It yields micro-batches and is sent their answers; what it
returns is its result. It never calls the model itself, so that one scheduler per
device can interleave the micro-batches of many plans, and so that a plan can be
tested by driving it with a plain loop (:func:`service.runtime.drive.drive`).

While a plan waits at a ``yield``, the scheduler may throw :class:`DeadlineReached`
into it, and so may :func:`service.runtime.limits.within`. A plan that can answer with
what it has so far catches it; any other lets it pass, and its request fails.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.runtime.program import DeviceTensor, Operand, Program

T = TypeVar("T")


class Direction(StrEnum):
    """Which graph of the classifier a micro-batch runs through, with its outputs."""

    FORWARD = "forward"
    """``image [N,3,H,W] -> logits [N,C]``"""

    GRADIENT = "gradient"
    """``image, cotangent [N,C] -> logits, gradient [N,3,H,W]``"""

    FEATURES = "features"
    """``image, cotangent [N,C] -> logits, features, feature_gradient`` (both ``[N,K,h,w]``)"""

    GUIDED = "guided"
    """As GRADIENT, by guided backpropagation."""

    ATTENTION = "attention"
    """``image, cotangent [N,C] -> logits, relevance [N,1,h,w]``"""

    INCREMENTAL = "incremental"
    """As FORWARD, of images that differ from one within a window; see :mod:`service.graphs.incremental`."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A model-free program and its inputs.

    Args:
        program: The compiled graph.
        inputs: By the program's input names. As an answer stage, what the stages before it and
            the classifier's graph put out is added by name, as far as the program takes it.
    """

    program: Program
    inputs: Mapping[str, Operand] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pieces:
    """What the graph of INCREMENTAL takes in place of images.

    Args:
        inputs: All of its inputs, by name.
        work: Of one of these passes, over that of those which the pace of the graph is measured with.
    """

    inputs: Mapping[str, Operand]
    work: float = 1.0


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Forward passes that go to the device together: make images, classify, reduce.

    Args:
        images: Either the images, ``[N,3,H,W]``, or the program whose output ``images`` they are, or, with
            INCREMENTAL, the pieces of them that are computed anew.
        size: N, the number of forward passes (the unit in which all work is counted).
        direction: The classifier's graph to run.
        cotangent: ``[N,C]``; what is differentiated is ``sum(cotangent * logits)``. Only with
            directions other than FORWARD.
        answer: Reduces the classifier's outputs on the device, in one stage or in several, one after
            the other. Without it they are the answer.
    """

    images: "Stage | DeviceTensor | Pieces"
    size: int
    direction: Direction = Direction.FORWARD
    cotangent: NDArray[np.float32] | None = None
    answer: "Stage | tuple[Stage, ...] | None" = None


Answer: TypeAlias = Mapping[str, DeviceTensor]
"""The outputs of a micro-batch's answer stages by name, still on the device."""

Plan: TypeAlias = Generator[MicroBatch, Answer, T]
"""Yields micro-batches, is sent their answers, returns a result of type T."""


class DeadlineReached(Exception):  # noqa: N818 - a signal to a plan, not a fault
    """Thrown into a plan when its time is up; catch it to answer with what there is.

    A plan that yields again all the same gets no answer but the signal once more.
    """

    reason = "deadline"
    """The option that ended the work."""


class ForwardsSpent(DeadlineReached):
    """Likewise, when the micro-batch that it asked for would exceed its forward passes.

    Args:
        left: How many still fit.
    """

    reason = "max_forwards"

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left
