"""What every removal operator states about itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from service.arrays import Image
from service.faithfulness.curve import Removed
from service.faithfulness.grid import Grid
from service.faithfulness.subject import ScoredSubject
from service.runtime.plan import Stage

Removal: TypeAlias = Callable[[Removed], Stage]
"""Makes one image per row: the subject's, without the cells that the row marks."""


@dataclass(frozen=True, slots=True)
class Operator:
    """A removal operator.

    Args:
        name: As receipts spell it.
        summary: What removed pixels show, with every parameter.
        prepare: Uploads once what all images of a subject share.
    """

    name: str
    summary: str
    prepare: Callable[[ScoredSubject, Grid], Removal]


def showing(replacement: Callable[[ScoredSubject], Image]) -> Callable[[ScoredSubject, Grid], Removal]:
    """Remove pixels by showing those of another image in their place, all three colours at once.

    Args:
        replacement: Makes the other image, ``[3, H, W]``.
    """

    def prepare(subject: ScoredSubject, grid: Grid) -> Removal:
        device = subject.model.device
        shared = {
            "image": subject.image,
            "replacement": device.upload(replacement(subject)[None]),
            "segments": device.upload(grid.segments),
        }
        return lambda removed: Stage(subject.model.programs.segments, {**shared, "removed": removed})

    return prepare
