"""Add what several readers of a tensor say about it, without writing out zeros or repetitions first."""

from service.graphs.facts import Shape
from service.graphs.tape import Tensor


def total(first: Tensor, second: Tensor, shape: Shape) -> Tensor:
    """Add two contributions to one cotangent.

    What only one of them repeats, the addition itself repeats. Pieces that lie side by side, each with zeros in the
    other's place, are joined: so what was cut up, into queries, keys and values or into windows, is put together.

    Args:
        first: A contribution.
        second: Another.
        shape: Of the tensor that both belong to.

    Returns:
        Their sum.
    """
    for one, other in ((first, second), (second, first)):
        repeated, *_ = one.tape.operands_of(one, "Expand") or (None,)
        if repeated is not None and not other.tape.operands_of(other, "Expand"):
            return other + repeated
        joined = _joined(one, other, shape)
        if joined is not None:
            return joined
    return first + second


def _joined(first: Tensor, second: Tensor, shape: Shape) -> Tensor | None:
    """Join two tensors with borders of zeros if the second begins along one axis where the first ends."""
    (piece, before, after), (other, other_before, other_after) = _bordered(first), _bordered(second)
    if piece is None or other is None or min(before + after + other_before + other_after) < 0:
        return None
    moved = [
        axis
        for axis in range(len(shape))
        if (before[axis], after[axis]) != (other_before[axis], other_after[axis])
    ]
    if len(moved) != 1:
        return None
    [axis] = moved
    length = shape[axis]
    if length is None or other_before[axis] != length - after[axis]:
        return None
    after[axis] = other_after[axis]
    return pad(first.tape.apply("Concat", piece, other, axis=axis), before, after)


def _bordered(tensor: Tensor) -> tuple[Tensor | None, list[int], list[int]]:
    """Give what a border of zeros was put around, and how many entries it has before and after, by axis."""
    piece, counts = tensor.tape.operands_of(tensor, "Pad") or (None, None)
    if piece is None or counts is None or counts.value is None:
        return None, [], []
    widths = [int(count) for count in counts.value]
    return piece, widths[: len(widths) // 2], widths[len(widths) // 2 :]


def pad(tensor: Tensor, before: list[int], after: list[int]) -> Tensor:
    """Put zeros around a tensor, or cut off where a count is negative."""
    if not any(before) and not any(after):
        return tensor
    return tensor.apply("Pad", tensor.tape.integers([*before, *after]))
