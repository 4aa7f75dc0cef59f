"""Undo what an operator did to a shape: shared by every rule whose operator broadcasts or reshapes."""

from service.graphs.tape import MAP_AXES, Tensor

SPATIAL_AXES = [2, 3]
"""Height and width of a map."""


def reshape_like(cotangent: Tensor, like: Tensor) -> Tensor:
    """Reshape a cotangent to the shape of the tensor it belongs to.

    Args:
        cotangent: Has as many elements as *like*.
        like: A tensor of the classifier.

    Returns:
        The cotangent in the shape of *like*, whatever the batch.
    """
    lengths = [-1 if length is None else length for length in like.shape]
    if lengths.count(-1) <= 1:
        return cotangent.reshape(*lengths)
    return cotangent.apply("Reshape", like.apply("Shape"))


def unbroadcast(cotangent: Tensor, operand: Tensor, result: Tensor, *, kept: int = 0) -> Tensor:
    """Sum a cotangent over the axes along which an operand was repeated.

    If ``y = f(broadcast(x))`` then ``dx = sum of dy over the axes that broadcasting added or stretched``.

    Args:
        cotangent: In the shape of *result*.
        operand: The input that was broadcast.
        result: The operator's output.
        kept: How many trailing axes never broadcast (2 for a matrix product).

    Returns:
        The cotangent in the shape of *operand*.
    """
    if operand.shape == result.shape:
        return cotangent
    added = result.rank - operand.rank
    stretched = [
        axis + added
        for axis, length in enumerate(operand.shape[: operand.rank - kept])
        if length == 1 and result.shape[axis + added] != 1
    ]
    axes = [*range(added), *stretched]
    summed = _sum_over(cotangent, axes, result) if axes else cotangent
    return reshape_like(summed, operand) if added else summed


def expand_like(cotangent: Tensor, like: Tensor, *, batch_kept: bool = True) -> Tensor:
    """Repeat a cotangent to the shape of the tensor it belongs to; the derivative of a sum.

    Args:
        cotangent: Has the axes of *like*, those that were summed with length 1.
        like: A tensor of the classifier.
        batch_kept: Whether the first axis was not summed.

    Returns:
        The cotangent in the shape of *like*. If the batch was not summed, the shape to expand to is a constant,
        with 1 for the batch: to read the shape off *like* would make ONNX Runtime bring it to the plain layout.
    """
    batch, *others = like.shape
    if batch_kept and batch is None and None not in others:
        lengths = like.tape.integers([1, *(length for length in others if length is not None)])
        return cotangent.apply("Expand", lengths)
    return cotangent.apply("Expand", like.apply("Shape"))


def _sum_over(cotangent: Tensor, axes: list[int], result: Tensor) -> Tensor:
    """Sum over axes; over the places of a map by pooling, which works on blocks."""
    height, width = result.shape[2:] if result.rank == MAP_AXES else (None, None)
    if axes == SPATIAL_AXES and height and width:
        return cotangent.apply("GlobalAveragePool") * float(height * width)
    return cotangent.sum(axes)
