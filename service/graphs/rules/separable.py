"""The adjoint of a linear map that works on height and width apart: resizing, mirrored borders."""

import numpy as np
from numpy.typing import NDArray

from service.graphs.tape import Tensor


def adjoint_along(tensor: Tensor, from_end: int, matrix: NDArray[np.floating]) -> Tensor:
    """Multiply by a transposed matrix along one of the last two axes.

    Args:
        tensor: ``[..., outputs, width]`` or ``[..., height, outputs]``.
        from_end: -2 or -1, the axis.
        matrix: ``[outputs, inputs]``, what the forward map does along that axis.

    Returns:
        The tensor with ``inputs`` in the place of ``outputs``.
    """
    if from_end == -1:
        return tensor.apply("MatMul", tensor.tape.real(matrix))
    return tensor.tape.real(matrix.T).apply("MatMul", tensor)
