"""The derivative of reading a map at computed places, as spatial transformers do."""

from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from onnx import TensorProto

from service.graphs.facts import ELEMENTS
from service.graphs.rules.broadcast import reshape_like
from service.graphs.rules.gate import step_at_zero, step_below
from service.graphs.rules.window import spatial_lengths
from service.graphs.step import Cotangents, Step, rule
from service.graphs.tape import MAP_AXES, Tensor

MODES: Final = frozenset({"bilinear", "nearest"})
BORDERS: Final = frozenset({"border", "zeros"})


@rule("GridSample")
def grid_sample(step: Step) -> Cotangents:
    """``y = sum of w x`` over the pixels around each place;  ``dx`` = dy w added up there, ``dplace = sum of dy x dw/dplace``.

    The weights w fall linearly with the distance (Jaderberg et al., "Spatial Transformer Networks", 2015, equations 5
    to 7); the nearest pixel alone has the weight 1, and the place the derivative 0. So has, as in PyTorch, a place on
    or beyond a border that is repeated.
    """
    mode, border = step.text("mode", "bilinear"), step.text("padding_mode", "zeros")
    if step.x.rank != MAP_AXES or mode not in MODES or border not in BORDERS:
        raise step.unsupported(
            f"it reads {step.x.rank - 2} axes by mode {mode} with the border {border}; height and width were expected, "
            f"by {' or '.join(sorted(MODES))}, and {' or '.join(sorted(BORDERS))}"
        )
    channels = step.x.shape[1]
    if channels is None:
        raise step.unsupported("the number of channels follows the batch")
    height, width = spatial_lengths(step, step.x)
    rows, columns = (_axis(step, 1, height), _axis(step, 0, width))
    corners = [_Corner(row, column) for row, column in product(rows, columns)]
    indices = [
        corner.index(width).apply("Expand", step.tape.integers([1, channels, 1])) for corner in corners
    ]
    dy = step.dy.reshape(0, 0, -1)
    return (
        _to_pixels(step, dy, corners, indices) if step.needs(0) else None,
        _to_places(step, dy, corners, indices) if step.needs(1) and mode == "bilinear" else None,
    )


@dataclass(frozen=True, slots=True)
class _Neighbour:
    """One of the pixels along an axis between which the places lie; every tensor is ``[N, 1, places]``.

    Args:
        position: From 0, clipped to the axis.
        weight: What the pixel counts for; 0 outside of the map.
        slope: The weight's derivative with respect to the grid's coordinate, which goes from -1 to 1.
    """

    position: Tensor
    weight: Tensor
    slope: Tensor


@dataclass(frozen=True, slots=True)
class _Corner:
    """A pixel around each place."""

    row: _Neighbour
    column: _Neighbour

    def index(self, width: int) -> Tensor:
        """Number the pixels row by row."""
        row, column = (side.position.apply("Cast", to=TensorProto.INT64) for side in (self.row, self.column))
        return row * row.tape.integers([width]) + column


def _axis(step: Step, coordinate: int, length: int) -> list[_Neighbour]:
    """Find the pixels along one axis, of which the grid holds the coordinate: 0 is the column, 1 the row."""
    tape, last = step.tape, float(length - 1)
    aligned = bool(step.integer("align_corners", 0))
    pixels_per_unit = (last if aligned else length) / 2
    units = step.input(1).apply("Gather", tape.constant(coordinate, np.int64), axis=MAP_AXES - 1)
    place = (units.reshape(0, 1, -1) + 1.0) * pixels_per_unit
    place = place if aligned else place - 0.5
    slope = tape.real(pixels_per_unit)
    if step.text("padding_mode", "zeros") == "border":
        slope = step_at_zero(place) * step_below(place, last) * pixels_per_unit
        place = place.apply("Clip", tape.real(0.0), tape.real(last))
    if step.text("mode", "bilinear") == "nearest":
        return [_neighbour(place.apply("Round"), tape.real(1.0), tape.real(0.0), last)]
    before = place.apply("Floor")
    past = place - before
    return [_neighbour(before, 1.0 - past, -slope, last), _neighbour(before + 1.0, past, slope, last)]


def _neighbour(position: Tensor, weight: Tensor, slope: Tensor, last: float) -> _Neighbour:
    """Let a pixel count for nothing where it lies outside of the map."""
    tape = position.tape
    clipped = position.apply("Clip", tape.real(0.0), tape.real(last))
    inside = position.apply("Equal", clipped).apply("Cast", to=ELEMENTS[tape.dtype])
    return _Neighbour(clipped, weight * inside, slope * inside)


def _to_pixels(step: Step, dy: Tensor, corners: list[_Corner], indices: list[Tensor]) -> Tensor:
    """Add up dy, weighed, at the pixels from which it was read."""
    tape = step.tape
    shares = [dy * (corner.row.weight * corner.column.weight) for corner in corners]
    zeros = tape.real(0.0).apply("Expand", step.x.reshape(0, 0, -1).apply("Shape"))
    at, what = (tape.apply("Concat", *tensors, axis=2) for tensors in (indices, shares))
    return reshape_like(zeros.apply("ScatterElements", at, what, axis=2, reduction="add"), step.x)


def _to_places(step: Step, dy: Tensor, corners: list[_Corner], indices: list[Tensor]) -> Tensor:
    """Sum how each place's weights change what dy asks for, and put the coordinates side by side again."""
    pixels = step.x.reshape(0, 0, -1)
    asked = [(dy * pixels.apply("GatherElements", index, axis=2)).sum([1]) for index in indices]
    along = [
        [
            corner.row.weight * corner.column.slope * value
            for corner, value in zip(corners, asked, strict=True)
        ],
        [
            corner.row.slope * corner.column.weight * value
            for corner, value in zip(corners, asked, strict=True)
        ],
    ]
    sums = [step.tape.apply("Sum", *terms) for terms in along]
    return reshape_like(step.tape.apply("Concat", *sums, axis=1).transpose(0, 2, 1), step.input(1))
