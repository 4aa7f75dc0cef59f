"""Tell a device that is full from one that failed."""

_SIGNS = ("Failed to allocate memory", "out of memory", "ALLOC_FAILED", "bad_alloc")
"""In messages of ONNX Runtime's arena, of CUDA, of cuBLAS and cuDNN, and of C++."""


class DeviceFullError(Exception):
    """The device had no memory left for a micro-batch; a smaller one may fit."""


def is_out_of_memory(error: Exception) -> bool:
    """Say whether an error of ONNX Runtime means that memory ran out: it has one class for all of them.

    Examples:
        >>> is_out_of_memory(RuntimeError("Failed to allocate memory for requested buffer of size 160"))
        True
        >>> is_out_of_memory(RuntimeError("CUDA failure 700: an illegal memory access was encountered"))
        False
    """
    return any(sign in str(error) for sign in _SIGNS)
