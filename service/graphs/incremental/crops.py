"""Which places of which table the recomputation is given for a window."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.graphs.incremental.axis import Axis, Pieces
from service.graphs.incremental.cuts import Cut
from service.graphs.incremental.sliding import Positions

Places: TypeAlias = NDArray[np.int64]
"""Rows of a table: what the row and what the column of a piece contribute, ``[2,N,h,1]`` and ``[2,N,1,w]``."""

_NONE = -(1 << 40)
"""No row of any table: two of them are below zero, and so is one with any row added."""


def whole(cut: Cut) -> dict[str, NDArray[np.generic]]:
    """Give all inputs, but for the pixels, with which the graph computes one image as a whole.

    What it then puts out as ``table_1, ...`` is what windows are put into. In front of each now stands one row that
    nobody reads: not every device takes an empty table.
    """
    inputs: dict[str, NDArray[np.generic]] = {}
    for number, (channels, height, width) in enumerate(cut.shapes):
        in_front = min(number, 1)
        if in_front:
            inputs[f"base_{number}"] = np.zeros((in_front, channels), np.float32)
        row = in_front + np.arange(height) * width
        inputs[f"down_{number}"] = np.tile(row, (2, 1)).reshape(2, 1, height, 1)
        inputs[f"right_{number}"] = np.tile(np.arange(width), (2, 1)).reshape(2, 1, 1, width)
    return inputs


class Crops:
    """The pieces that are computed again for each of some windows.

    Args:
        cut: Of the classifier.
        windows: ``[N,4]``: top, left, bottom, right in pixels, the last two exclusive; they may overhang. One without
            pixels changes nothing.
    """

    def __init__(self, cut: Cut, windows: NDArray[np.int64]) -> None:
        top, left, bottom, right = windows.T
        self._shapes = cut.shapes
        names = ["image", *(one.target for one in cut.stretches)]
        self._down = _Side.of(cut.down, names, [one.down for one in cut.stretches], (top, bottom))
        self._right = _Side.of(cut.right, names, [one.right for one in cut.stretches], (left, right))

    def places(self, chosen: slice) -> dict[str, Places]:
        """Give ``down_0, right_0, down_1, ...`` for some of the windows.

        In the table of the pixels those of the image come first and those that windows show behind them; in every
        other, what was computed for the whole image comes first and then what is computed now. So of the two
        candidates for a place the second is larger, if there is one.
        """
        found = {}
        for number, (_, height, width) in enumerate(self._shapes):
            row, row_in_piece = self._down.at(number, chosen)
            column, column_in_piece = self._right.at(number, chosen)
            tall, wide = (self._down.made[number - 1], self._right.made[number - 1]) if number else (0, width)
            behind = height * width + np.arange(len(row))[:, None] * (tall * wide)
            down = np.stack([row * width, np.where(row_in_piece < 0, _NONE, behind + row_in_piece * wide)])
            right = np.stack([column, np.where(column_in_piece < 0, _NONE, column_in_piece)])
            found[f"down_{number}"], found[f"right_{number}"] = down[..., None], right[:, :, None]
        return found


@dataclass(frozen=True, slots=True)
class _Side:
    """The pieces along one axis: of every stretch, and of the rest, which takes the whole.

    Args:
        begins: Where they begin.
        sizes: Their lengths.
        spans: First places that the windows touch and last ones, excluded.
        strides: Of the stretches.
        made: Lengths of what the stretches make of their pieces.
    """

    begins: Sequence[Positions]
    sizes: Sequence[int]
    spans: Sequence[tuple[Positions, Positions]]
    strides: Sequence[int]
    made: Sequence[int]

    @classmethod
    def of(
        cls,
        axis: Axis,
        names: Sequence[str],
        pieces: Sequence[Pieces],
        window: tuple[Positions, Positions],
    ) -> "_Side":
        first, last = (np.clip(end, 0, axis.length) for end in window)
        touched = axis.touched(first, last)
        spans = [touched[name] for name in names]
        begins, sizes, made = [], [], []
        for one, (begin, end) in zip(pieces, spans[1:], strict=True):
            sizes.append(one.size(int((end - begin).max())))
            begins.append(one.begin(begin, sizes[-1]))
            made.append(one.made - (one.length - sizes[-1]) // one.stride)
        return cls(
            begins=[*begins, np.zeros_like(first)],
            sizes=[*sizes, axis.lengths[names[-1]]],
            spans=spans,
            strides=[one.stride for one in pieces],
            made=made,
        )

    def at(self, number: int, chosen: slice) -> tuple[Positions, Positions]:
        """Give the places of the pieces of a tensor, and where in what the piece before gave they lie.

        Returns:
            ``[N, length of the pieces]`` each; the second is below zero where the window changes nothing.
        """
        places = self.begins[number][chosen, None] + np.arange(self.sizes[number])
        first, last = (end[chosen, None] for end in self.spans[number])
        before = self.begins[number - 1][chosen, None] // self.strides[number - 1] if number else 0
        return places, np.where((places >= first) & (places < last), places - before, -1)
