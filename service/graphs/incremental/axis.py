"""What the local operators of a classifier do along one axis: how far a window spreads, and what a border spoils."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from service.graphs.incremental.local import Local
from service.graphs.incremental.sliding import Positions, Sliding


@dataclass(frozen=True, slots=True)
class Pieces:
    """How to cut pieces out of one tensor so that they give what the whole gives of another.

    A piece begins at a multiple of the stride, so that operators stand on it where they stand on the whole, and
    differs in length from the whole by one, so that one that reaches the end ends as the whole does. Its ends, where
    they are not those of the whole, spoil a margin of what it gives.

    Args:
        stride: Places of the source from one of the target to the next.
        margins: Places of the target that are spoilt at the beginning and at the end.
        length: Of the source.
        made: Length of the target.
    """

    stride: int
    margins: tuple[int, int]
    length: int
    made: int

    def size(self, wanted: int) -> int:
        """Give the length of pieces that suffice for so many places of the target, wherever these lie.

        One at least: where no place is wanted, because none reads what has changed, operators still need an input.
        """
        spare = max(self.made - max(wanted, 1) - sum(self.margins), 0)
        return self.length - self.stride * min(spare, (self.length - 1) // self.stride)

    def begin(self, first: Positions, size: int) -> Positions:
        """Say where pieces begin what is made of which is right from the places *first* of the target on."""
        return np.clip(self.stride * (first - self.margins[0]), 0, self.length - size)


@dataclass(frozen=True, slots=True)
class Axis:
    """Local operators along the height or the width.

    Args:
        length: Of the image.
        steps: What every operator reads and gives, and how it slides, in the order of computation.
    """

    length: int
    steps: tuple[tuple[tuple[str, ...], str, Sliding], ...]
    lengths: dict[str, int] = field(init=False)
    """Of every tensor."""

    def __post_init__(self) -> None:
        lengths = {"image": self.length}
        for reads, gives, slide in self.steps:
            lengths[gives] = slide.length(lengths[reads[0]])
        object.__setattr__(self, "lengths", lengths)

    def until(self, name: str) -> "Axis":
        """Leave out the operators behind the one that gives a tensor."""
        end = next(number for number, (_, gives, _) in enumerate(self.steps, start=1) if gives == name)
        return Axis(self.length, self.steps[:end])

    @classmethod
    def down(cls, height: int, operators: Iterable[Local]) -> "Axis":
        """Take what operators do along the height."""
        return cls(height, tuple((one.reads, one.gives, one.down) for one in operators))

    @classmethod
    def right(cls, width: int, operators: Iterable[Local]) -> "Axis":
        """Take what operators do along the width."""
        return cls(width, tuple((one.reads, one.gives, one.right) for one in operators))

    def touched(self, first: Positions, last: Positions) -> dict[str, tuple[Positions, Positions]]:
        """Follow windows through all operators.

        Args:
            first: Pixels of the image with which they begin.
            last: Likewise end; excluded.

        Returns:
            By tensor, the first places into which any of these pixels goes, and the last ones, excluded.
        """
        spans = {"image": (first, last)}
        for reads, gives, slide in self.steps:
            found = [slide.touched(*spans[name], self.lengths[name]) for name in reads]
            begins, ends = zip(*found, strict=True)
            spans[gives] = np.minimum.reduce(begins), np.maximum.reduce(ends)
        return spans

    def pieces(self, source: str) -> Mapping[str, Pieces]:
        """Say of every tensor that is made of *source* and of nothing else how pieces of it are to be cut."""
        found = {source: Pieces(1, (0, 0), self.lengths[source], self.lengths[source])}
        for reads, gives, slide in self.steps:
            if gives == source or any(name not in found for name in reads):
                continue
            ends = [slide.margins(*found[name].margins, self.lengths[name]) for name in reads]
            margins = max(begin for begin, _ in ends), max(end for _, end in ends)
            stride = found[reads[0]].stride * slide.stride
            found[gives] = Pieces(stride, margins, self.lengths[source], self.lengths[gives])
        return found
