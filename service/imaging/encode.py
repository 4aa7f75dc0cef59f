"""A saliency map -> bytes that travel: a 16-bit PNG or a .npy file."""

import io
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from service.arrays import SaliencyMap
from service.errors import ExplanationError

MapEncoding = Literal["png16", "npy"]

LEVELS = 65_535
"""Steps between the least and the greatest value of a 16-bit picture."""


@dataclass(frozen=True, slots=True)
class EncodedMap:
    """A map as bytes.

    Args:
        encoding: How to read *data*.
        shape: Rows and columns.
        minimum: Least value of the map.
        maximum: Greatest value of the map.
        data: The file.
    """

    encoding: MapEncoding
    shape: tuple[int, int]
    minimum: float
    maximum: float
    data: bytes


def encode_map(saliency: SaliencyMap, encoding: MapEncoding) -> EncodedMap:
    """Encode a map.

    ``npy`` holds the float32 values themselves. ``png16`` is a grey PNG of 16 bits; level ``L`` stands for
    ``minimum + L / 65535 * (maximum - minimum)``, which is the map to within half a step,
    ``(maximum - minimum) / 131070``. A constant map is all zeros and comes back exactly.

    Args:
        saliency: ``[H, W]``, finite.
        encoding: ``png16`` or ``npy``.

    Returns:
        Bytes that are a function of the map alone.

    Raises:
        ExplanationError: A value is NaN or infinite; no level stands for that.

    Examples:
        >>> encoded = encode_map(np.array([[-1.0, 0.0], [1.0, 3.0]], np.float32), "png16")
        >>> encoded.minimum, encoded.maximum
        (-1.0, 3.0)
        >>> cv2.imdecode(np.frombuffer(encoded.data, np.uint8), cv2.IMREAD_UNCHANGED).tolist()
        [[0, 16384], [32768, 65535]]
    """
    if not np.isfinite(saliency).all():
        raise ExplanationError("the map holds NaN or infinity, which neither encoding of a map can carry")
    minimum, maximum = float(saliency.min()), float(saliency.max())
    data = _npy(saliency) if encoding == "npy" else _png16(saliency, minimum, maximum)
    height, width = saliency.shape
    return EncodedMap(encoding, (height, width), minimum, maximum, data)


def _npy(saliency: SaliencyMap) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(saliency, dtype="<f4"), allow_pickle=False)
    return buffer.getvalue()


def _png16(saliency: SaliencyMap, minimum: float, maximum: float) -> bytes:
    # In float64: the difference of two float32 may exceed their range.
    span = (maximum - minimum) or 1.0
    levels = np.rint((saliency.astype(np.float64) - minimum) / span * LEVELS)
    return png(levels.astype(np.uint16))


def png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8 | np.uint16]]) -> bytes:
    """Write a PNG.

    Args:
        pixels: ``[H, W]`` grey or ``[H, W, 3]`` in OpenCV's order, blue first; 8 or 16 bits.
    """
    _, data = cv2.imencode(".png", pixels)
    return data.tobytes()
