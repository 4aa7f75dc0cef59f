"""Which axes of a tensor are the image's height and width, as far as the operators that made it tell.

Layouts are followed from the image through the graph, operator by operator; what an operator does not keep in place
has no layout behind it. Shapes are never taken for a hint: an attention matrix is square, too.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from service.graphs.elementwise import ELEMENTWISE
from service.graphs.facts import Shape
from service.graphs.step import Step
from service.graphs.tape import Tape

BATCH, CHANNEL, HEIGHT, WIDTH, TOKEN = "N", "C", "H", "W", "T"


@dataclass(frozen=True, slots=True)
class Layout:
    """What the axes of a tensor stand for.

    Args:
        axes: One letter per axis: N batch, C anything but space, H height, W width, T tokens.
        height: Rows of the grid.
        width: Columns of the grid.
        prefix: Tokens before those of the grid, such as a class token. The grid's are in row-major order.
    """

    axes: tuple[str, ...]
    height: int
    width: int
    prefix: int = 0

    @property
    def is_map(self) -> bool:
        """Whether there is more than one place and exactly one axis of channels."""
        return (
            self.axes.count(CHANNEL) == 1 and len(self.axes) in {3, 4} and self.height > 1 and self.width > 1
        )


def layouts(tape: Tape) -> dict[str, Layout]:
    """Follow the image's height and width through a classifier.

    Args:
        tape: The classifier.

    Returns:
        The layout of every tensor that has one, by name, in the order of computation.
    """
    _, _, height, width = tape.shape("image")
    found = {"image": Layout((BATCH, CHANNEL, HEIGHT, WIDTH), height or 0, width or 0)}
    for node in tape.graph.node:
        known = [found.get(name) for name in node.input]
        if any(known) and node.output[0] in tape.facts.shapes:
            step = Step(tape, node, (), frozenset())
            layout = FOLLOW.get(node.op_type, _elementwise)(step, known)
            if layout is not None and len(layout.axes) == step.y.rank:
                pieces = node.output if node.op_type == "Split" else node.output[:1]
                found.update((name, layout) for name in pieces)
    return found


Known: TypeAlias = Sequence[Layout | None]
Follower: TypeAlias = Callable[[Step, Known], Layout | None]


def _elementwise(step: Step, known: Known) -> Layout | None:
    """Take the layout of an operand that was not broadcast; safe for operators that keep every element's place."""
    if step.node.op_type not in KEEPS_PLACES:
        return None
    fitting = {
        layout
        for layout, name in zip(known, step.node.input, strict=True)
        if layout is not None and step.tape.shape(name) == step.y.shape
    }
    return fitting.pop() if len(fitting) == 1 else None


def _sliding(step: Step, known: Known) -> Layout | None:
    """Convolutions, pooling, resizing: axes 2 and 3 stay height and width, of another length."""
    layout, shape = known[0], step.y.shape
    if layout is None or layout.axes != (BATCH, CHANNEL, HEIGHT, WIDTH):
        return None
    return replace(layout, height=shape[2] or 0, width=shape[3] or 0)


def _border(step: Step, known: Known) -> Layout | None:
    """A border makes height and width longer; one around tokens or channels loses them."""
    layout, before, after = known[0], step.x.shape, step.y.shape
    if layout is None:
        return None
    changed = {axis for axis, old, new in zip(layout.axes, before, after, strict=True) if old != new}
    if not changed <= {HEIGHT, WIDTH}:
        return None
    lengths = dict(zip(layout.axes, after, strict=True))
    return replace(
        layout, height=lengths.get(HEIGHT) or layout.height, width=lengths.get(WIDTH) or layout.width
    )


def _transpose(step: Step, known: Known) -> Layout | None:
    layout = known[0]
    order = step.integers("perm", range(step.x.rank)[::-1])
    return layout and replace(layout, axes=tuple(layout.axes[axis] for axis in order))


def _reshape(step: Step, known: Known) -> Layout | None:
    """Match groups of neighbouring axes that hold the same elements; merged height and width are tokens."""
    layout = known[0]
    before, after = step.x.shape, step.y.shape
    if layout is None or before == after:
        return layout
    if layout.axes[0] != BATCH or None in before[1:] or None in after[1:] or after[:1] != (None,):
        return None
    letters: list[str] = [BATCH]
    for old, new in _groups(_numbers(before[1:]), _numbers(after[1:])):
        found = _regrouped(
            layout, "".join(layout.axes[1 + axis] for axis in old), [after[1 + axis] for axis in new]
        )
        if found is None:
            return None
        letters.extend(found)
    return replace(layout, axes=tuple(letters))


def _numbers(shape: Shape) -> list[int]:
    return [length for length in shape if length is not None]


def _groups(before: list[int], after: list[int]) -> Iterator[tuple[range, range]]:
    """Pair the shortest runs of axes, from the front, whose lengths have equal products."""
    i = j = 0
    while i < len(before) or j < len(after):
        first_i, first_j = i, j
        left = right = 1
        while (left != right or (i, j) == (first_i, first_j)) and (i < len(before) or j < len(after)):
            if i < len(before) and (left <= right or j == len(after)):
                left *= before[i]
                i += 1
            else:
                right *= after[j]
                j += 1
        yield range(first_i, i), range(first_j, j)


def _regrouped(layout: Layout, letters: str, lengths: Sequence[int | None]) -> str | None:
    """Name the axes that a group of axes becomes; None if height and width get lost in it."""
    if len(letters) == len(lengths) == 1:
        return letters
    spatial = letters.replace(CHANNEL, "")
    if not spatial:
        return CHANNEL * len(lengths)
    if letters == HEIGHT + WIDTH and len(lengths) == 1:
        return TOKEN
    if letters == TOKEN and list(lengths) == [layout.height, layout.width] and not layout.prefix:
        return HEIGHT + WIDTH
    return None


def _concatenate(step: Step, known: Known) -> Layout | None:
    """Joining channels keeps places; joining tokens before the grid's moves them up."""
    layout = next(entry for entry in known if entry is not None)
    axis = layout.axes[step.integer("axis", 0) % len(layout.axes)]
    if axis == CHANNEL:
        return layout if all(entry in {None, layout} for entry in known) else None
    if axis != TOKEN or sum(entry is not None for entry in known) != 1:
        return None
    lengths = [step.input(i).shape[layout.axes.index(TOKEN)] for i in range(known.index(layout))]
    return replace(layout, prefix=layout.prefix + sum(length or 0 for length in lengths))


def _split(step: Step, known: Known) -> Layout | None:
    """Channels may be divided."""
    layout = known[0]
    return layout if layout and layout.axes[step.integer("axis", 0)] == CHANNEL else None


def _slice(step: Step, known: Known) -> Layout | None:
    """Thinning out keeps places apart; cutting off tokens before the grid moves the grid's down."""
    layout = known[0]
    starts, ends, axes, strides = (step.constant_integers(index) for index in range(1, 5))
    if layout is None or starts is None or ends is None:
        return None
    axes = [axis % len(layout.axes) for axis in axes or range(len(starts))]
    for start, end, axis, stride in zip(starts, ends, axes, strides or [1] * len(starts), strict=True):
        letter, length = layout.axes[axis], step.x.shape[axis] or 0
        entries = range(length)[start:end:stride]
        if letter == TOKEN:
            grid = range(layout.prefix, layout.prefix + layout.height * layout.width)
            if stride != 1 or entries.start > grid.start or entries.stop < grid.stop:
                return None
            layout = replace(layout, prefix=layout.prefix - entries.start)
        elif letter in {HEIGHT, WIDTH}:
            if stride < 2 and len(entries) < length:  # noqa: PLR2004 - cutting off, not thinning out
                return None
            rows = len(entries) if letter == HEIGHT else layout.height
            columns = len(entries) if letter == WIDTH else layout.width
            layout = replace(layout, height=rows, width=columns)
    return layout


def _matrix_product(step: Step, known: Known) -> Layout | None:
    """A product with weights mixes one axis, which must be the channels."""
    if len([entry for entry in known if entry is not None]) != 1:
        return None
    left = known[0] is not None
    layout = known[0] if left else known[1]
    mixed = layout.axes[-1 if left else -2] if layout else ""
    other = step.input(1 if left else 0)
    return layout if mixed == CHANNEL and other.rank == 2 else None  # noqa: PLR2004 - a matrix


def _reduce(step: Step, known: Known) -> Layout | None:
    """Over the channels alone, and kept."""
    layout = known[0]
    axes = step.constant_integers(1, "axes") or []
    over = {layout.axes[axis % len(layout.axes)] for axis in axes} if layout else set()
    return layout if over == {CHANNEL} and step.integer("keepdims", 1) else None


KEEPS_PLACES = ELEMENTWISE | {
    "BatchNormalization",
    "DequantizeLinear",
    "Dropout",
    "InstanceNormalization",
    "LRN",
    "LayerNormalization",
    "LogSoftmax",
    "QuantizeLinear",
    "Softmax",
}
"""Operators whose every output element is at the place of the input elements that it comes from, or of all of them."""

FOLLOW: dict[str, Follower] = {
    **dict.fromkeys(
        ["AveragePool", "Conv", "ConvTranspose", "DepthToSpace", "MaxPool", "Resize", "SpaceToDepth"],
        _sliding,
    ),
    **dict.fromkeys(["ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"], _reduce),
    **dict.fromkeys(["Reshape", "Squeeze", "Unsqueeze", "Flatten"], _reshape),
    "Concat": _concatenate,
    "MatMul": _matrix_product,
    "Pad": _border,
    "Slice": _slice,
    "Split": _split,
    "Transpose": _transpose,
}
"""How an operator moves height and width; those not named here move nothing, or lose them."""
