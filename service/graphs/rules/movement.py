"""Derivatives of operators that only rearrange, copy or drop elements."""

from typing import Final, Literal

import numpy as np

from service.graphs.rules.adjoint import reverse
from service.graphs.rules.broadcast import reshape_like, unbroadcast
from service.graphs.rules.scatter import scatter_back
from service.graphs.rules.separable import adjoint_along
from service.graphs.step import Cotangents, Step, rule
from service.graphs.tape import Tensor
from service.graphs.total import pad

BORDERS: Final[dict[str, Literal["edge", "reflect"]]] = {"edge": "edge", "reflect": "reflect"}
"""Mirrored borders, as ONNX and numpy call them."""


@rule("Dropout", "Identity")
def identity(step: Step) -> Cotangents:
    """``y = x``;  ``dx = dy``. Dropout does nothing in inference."""
    return (step.dy,)


@rule("Flatten", "Reshape", "Squeeze", "Unsqueeze")
def reshape(step: Step) -> Cotangents:
    """``y = x`` in another shape;  ``dx = dy`` in the old one."""
    return (reshape_like(step.dy, step.x),)


@rule("Transpose")
def transpose(step: Step) -> Cotangents:
    """``y = x`` with its axes permuted;  ``dx = dy`` with the permutation undone."""
    order = step.integers("perm", range(step.x.rank)[::-1])
    return (step.dy.transpose(*(order.index(axis) for axis in range(len(order)))),)


@rule("Expand")
def expand(step: Step) -> Cotangents:
    """``y = x`` repeated along axes of length 1;  ``dx = dy`` summed over the repetitions."""
    return (unbroadcast(step.dy, step.x, step.y),)


@rule("Tile")
def tile(step: Step) -> Cotangents:
    """``y = x`` repeated whole;  ``dx = dy`` summed over the repetitions."""
    repeats = step.constant_integers(1)
    if repeats is None or None in step.x.shape[1:] or repeats[0] != 1:
        return (scatter_back(step),)
    split = [length for axis, times in enumerate(repeats) for length in (times, step.x.shape[axis] or -1)]
    return (step.dy.reshape(*split).sum(range(0, 2 * step.x.rank, 2), keep=False),)


@rule("Concat")
def concatenate(step: Step) -> Cotangents:
    """``y = [x1, x2, ...]``;  ``dx1, dx2, ... = dy`` cut into pieces of their lengths."""
    axis = step.integer("axis", 0) % step.y.rank
    inputs = [step.input(index) for index in range(len(step.node.input))]
    lengths = [tensor.shape[axis] for tensor in inputs]
    known = [length for length in lengths if length is not None]
    if len(known) < len(lengths):
        raise step.unsupported("it joins along an axis that follows the batch")
    if len(inputs) == 1:
        return (step.dy,)
    return step.tape.apply_many("Split", step.dy, step.tape.integers(known), outputs=len(known), axis=axis)


@rule("Split")
def split(step: Step) -> Cotangents:
    """``y1, y2, ... = x`` cut into pieces;  ``dx = [dy1, dy2, ...]``, with zeros for pieces nobody uses."""
    pieces = [
        step.tape.real(0.0).apply("Expand", step.tape.tensor(name).apply("Shape")) if piece is None else piece
        for name, piece in zip(step.node.output, step.cotangents, strict=True)
    ]
    return (step.tape.apply("Concat", *pieces, axis=step.integer("axis", 0)),)


@rule("Slice")
def cut(step: Step) -> Cotangents:
    """``y = x[start:end:step]``;  ``dx = dy`` with zeros between and around, turned back if the step is negative."""
    if any(step.has(index) and step.input(index).value is None for index in range(1, 5)):
        return (scatter_back(step),)
    starts, ends, axes, strides = (step.constant_integers(index) for index in range(1, 5))
    if starts is None or ends is None:
        raise step.unsupported("its start or end is missing")
    axes = [axis % step.x.rank for axis in axes or range(len(starts))]
    strides = strides or [1] * len(starts)
    if any(step.x.shape[axis] is None for axis in axes):
        return (scatter_back(step),)
    lengths = list(step.y.shape)
    before, after = [0] * step.x.rank, [0] * step.x.rank
    backwards = [axis for axis, stride in zip(axes, strides, strict=True) if stride < 0]
    result = reverse(step.dy, backwards) if backwards else step.dy
    for axis, start, end, stride in zip(axes, starts, ends, strides, strict=True):
        entries = range(step.x.shape[axis] or 0)[start:end:stride]
        forwards = entries if stride > 0 else entries[::-1]
        result = _spread(result, axis, abs(stride), lengths)
        lengths[axis] = len(entries) * abs(stride)
        before[axis] = forwards.start
        after[axis] = (step.x.shape[axis] or 0) - forwards.start - len(entries) * abs(stride)
    return (pad(result, before, after),)


@rule("Pad")
def padding(step: Step) -> Cotangents:
    """``y = x`` with a border;  ``dx = dy`` without it, plus what a mirrored border copied."""
    pads = step.constant_integers(1) or []
    axes = [axis % step.x.rank for axis in step.constant_integers(3) or range(step.x.rank)]
    before, after = [0] * step.x.rank, [0] * step.x.rank
    for position, axis in enumerate(axes):
        before[axis], after[axis] = pads[position], pads[len(axes) + position]
    mode = step.text("mode", "constant")
    if mode == "constant":
        return (pad(step.dy, [-count for count in before], [-count for count in after]),)
    result = step.dy
    for axis in range(step.x.rank):
        if before[axis] or after[axis]:
            result = _without_copies(step, result, axis, (before[axis], after[axis]), mode)
    return (result,)


@rule("DepthToSpace")
def depth_to_space(step: Step) -> Cotangents:
    """``y = x`` with channels moved into blocks of pixels;  ``dx = dy`` with the blocks moved back."""
    block = step.integer("blocksize", 1)
    if step.text("mode", "DCR") == "DCR":
        return (step.dy.apply("SpaceToDepth", blocksize=block),)
    channels, height, width = (length or -1 for length in step.x.shape[1:])
    blocks = step.dy.reshape(-1, channels // block**2, height, block, width, block)
    return (blocks.transpose(0, 1, 3, 5, 2, 4).reshape(-1, channels, height, width),)


@rule("SpaceToDepth")
def space_to_depth(step: Step) -> Cotangents:
    """``y = x`` with blocks of pixels moved into channels;  ``dx = dy`` with the channels moved back."""
    return (step.dy.apply("DepthToSpace", blocksize=step.integer("blocksize", 1), mode="DCR"),)


@rule("Trilu")
def triangle(step: Step) -> Cotangents:
    """``y`` = the upper or lower triangle of x;  ``dx`` = the same triangle of dy."""
    diagonal = step.input(1) if step.has(1) else None
    return (step.dy.apply("Trilu", diagonal, upper=step.integer("upper", 1)),)


def _without_copies(step: Step, tensor: Tensor, axis: int, border: tuple[int, int], mode: str) -> Tensor:
    """Add what lies in a mirrored border to what it mirrors."""
    from_end, length = axis - step.x.rank, step.x.shape[axis]
    if from_end < -2 or length is None or min(border) < 0:  # noqa: PLR2004 - height and width
        raise step.unsupported(f"a border in mode {mode} was expected around height and width alone")
    source = np.pad(np.arange(length), border, mode=BORDERS[mode])
    return adjoint_along(tensor, from_end, np.eye(length)[source])


def _spread(tensor: Tensor, axis: int, stride: int, lengths: list[int | None]) -> Tensor:
    """Put ``stride - 1`` zeros behind every entry along an axis; *lengths* are the tensor's own."""
    if stride == 1:
        return tensor
    rank = len(lengths)
    widened = tensor.apply("Unsqueeze", tensor.tape.integers([axis + 1]))
    after = [0] * (rank + 1)
    after[axis + 1] = stride - 1
    merged = [0] * axis + [(lengths[axis] or 0) * stride] + [length or -1 for length in lengths[axis + 1 :]]
    return pad(widened, [0] * (rank + 1), after).reshape(*merged)
