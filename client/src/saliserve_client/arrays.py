"""Maps to and from arrays. The only file that needs numpy, and only when one of its functions is called."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from saliserve_client import png
from saliserve_client.errors import MissingPackageError, UnexpectedAnswerError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def numpy() -> Any:
    """Import numpy, or say how to get it.

    Raises:
        MissingPackageError: It is not installed.
    """
    try:
        import numpy as np  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingPackageError(
            "numpy is needed to see a map as an array: pip install 'saliserve-client[numpy]'. "
            "The encoded bytes are there without it."
        ) from error
    return np


def decode(encoding: str, data: bytes, *, minimum: float, maximum: float) -> NDArray[np.float32]:
    """Decode a map.

    Args:
        encoding: ``png16`` (16-bit grey; 0 stands for *minimum*, 65535 for *maximum*) or ``npy``.
        data: The encoded bytes.
        minimum: The map's smallest value; only used with ``png16``.
        maximum: The map's largest value; only used with ``png16``.

    Returns:
        ``[H, W]``. From ``png16`` each value is off by at most ``(maximum - minimum) / 131070``.

    Raises:
        MissingPackageError: numpy is not installed.
        UnexpectedAnswerError: Another encoding, or bytes that are not of this one.
    """
    np = numpy()
    if encoding == "npy":
        try:
            found = np.load(io.BytesIO(data), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise UnexpectedAnswerError(f"explanation.map.data: not an npy file: {error}") from error
        return np.asarray(found, np.float32)  # type: ignore[no-any-return]
    if encoding == "png16":
        levels = png.grey16(np, data).astype(np.float64)
        return (minimum + levels * ((maximum - minimum) / 65535)).astype(np.float32)
    raise UnexpectedAnswerError(f"explanation.map.encoding: {encoding!r}; this client reads png16 and npy")


def encode(array: object) -> bytes:
    """Encode an array-like ``[H, W]`` as float32 ``npy``.

    Raises:
        MissingPackageError: numpy is not installed.
    """
    np = numpy()
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array, np.float32), allow_pickle=False)
    return buffer.getvalue()
