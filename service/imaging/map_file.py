"""Bytes from a stranger -> the numbers of a saliency map, or the reason why not."""

import ast
import io
import re
import struct
from dataclasses import dataclass

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from service.errors import MapError
from service.imaging.decode import BROKEN

LARGEST_SIDE = 4096
"""Pixels; a finer map holds nothing that survives on any model's input."""


@dataclass(frozen=True, slots=True)
class MapLimits:
    """How large a map may be.

    Args:
        side: Pixels of the longer side.
        pixels: Height times width.
    """

    side: int = LARGEST_SIDE
    pixels: int = LARGEST_SIDE**2


_FOR_MAPS = MapLimits()

_NPY = b"\x93NUMPY"
_PNG = b"\x89PNG\r\n\x1a\n"

_LENGTH_FORMAT = {1: "<H", 2: "<I", 3: "<I"}
"""Format version -> how the header's length is written (numpy.lib.format)."""

_LONGEST_HEADER = 1024
"""Bytes; that of two axes of numbers takes 118."""

_NUMBERS = re.compile(r"(?:[<>|=]?[iu][1248]|[<>|=]?f[248]|\|b1|\?)")
"""What NumPy calls the types of integers, floats and booleans. Objects, which would be pickles, are none."""

_GREY = {"1": np.uint8, "L": np.uint8, "I;16": np.uint16, "I;16B": np.uint16}
"""Pillow's name of a grey mode -> its levels."""


def read_map(data: bytes, limits: MapLimits = _FOR_MAPS) -> NDArray[np.generic]:
    """Read a map from a ``.npy`` file or a grey PNG of up to 16 bits; the content tells which.

    Nothing is unpickled. What the header states is checked against the limits and against the bytes that
    are there before anything is allocated.

    Args:
        data: The file. A PNG's levels are taken as they are.
        limits: How large it may be.

    Returns:
        ``[height, width]``, of whatever real type the file has. Its values are not looked at.

    Raises:
        MapError: Another format, another number of axes, no numbers, too large, broken or cut short.

    Examples:
        >>> buffer = io.BytesIO()
        >>> np.save(buffer, np.array([[1.5, -2.0]]))
        >>> read_map(buffer.getvalue())
        array([[ 1.5, -2. ]])
    """
    if data.startswith(_NPY):
        return _of_npy(data, limits)
    if data.startswith(_PNG):
        return _of_png(data, limits)
    found = f"the map begins with {data[:8].hex(' ')}" if data else "the map has no bytes"
    raise MapError(f"{found}; expected a .npy file or a grey PNG, told by their content.", where="map")


def _of_npy(data: bytes, limits: MapLimits) -> NDArray[np.generic]:
    header, begin = _header(data)
    dtype = _dtype(header)
    height, width = _shape(header, limits)
    expected, found = height * width * dtype.itemsize, len(data) - begin
    if found != expected:
        raise MapError(
            f"the map's header states {height} x {width} values of {dtype}, {expected:,} bytes; {found:,} follow it. "
            "Check that the upload is complete, and that the file holds one array.",
            where="map",
        )
    values: NDArray[np.generic] = np.frombuffer(data, dtype, offset=begin)
    by_columns = header.get("fortran_order") is True
    return values.reshape(width, height).T if by_columns else values.reshape(height, width)


def _header(data: bytes) -> tuple[dict[str, object], int]:
    """Read the header; return it and where the values begin."""
    length_format = _LENGTH_FORMAT.get(data[6] if len(data) > len(_NPY) else 0)
    begin = len(_NPY) + 2 + (struct.calcsize(length_format) if length_format else 0)
    if length_format is None or len(data) < begin:
        raise _broken("its version is none of 1, 2 and 3, or it is cut short within its first bytes")
    (length,) = struct.unpack(length_format, data[len(_NPY) + 2 : begin])
    if length > _LONGEST_HEADER or len(data) < begin + length:
        raise _broken(f"its header is stated to have {length:,} bytes")
    try:
        header = ast.literal_eval(data[begin : begin + length].decode("latin-1").strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise _broken("its header is no Python literal") from error
    if not isinstance(header, dict):
        raise _broken("its header is no dictionary")
    return header, begin + length


def _dtype(header: dict[str, object]) -> np.dtype[np.generic]:
    descr = header.get("descr")
    if not isinstance(descr, str) or not _NUMBERS.fullmatch(descr):
        raise MapError(
            f"the map holds values of type {descr!r:.80}; expected integers or floats of up to 64 bits. "
            "Save it with numpy.save(file, map.astype('float32')).",
            where="map",
        )
    return np.dtype(descr)


def _shape(header: dict[str, object], limits: MapLimits) -> tuple[int, int]:
    match header.get("shape"):
        case (int() as height, int() as width):
            check_size(height, width, limits)
            return height, width
        case shape:
            raise MapError(
                f"the map has shape {shape!r:.80}; expected (height, width). Reduce colour channels to one value "
                "per pixel, for example by their sum.",
                where="map",
            )


def check_size(height: int, width: int, limits: MapLimits = _FOR_MAPS) -> None:
    """Refuse a map without pixels, or with too many.

    Raises:
        MapError: A side is not within 1 and the limit, or there are more pixels than it allows.
    """
    found = f"the map is {width} x {height} pixels"
    if not (1 <= height <= limits.side and 1 <= width <= limits.side):
        raise MapError(f"{found}; expected 1 to {limits.side} on a side.", where="map")
    if height * width > limits.pixels:
        raise MapError(f"{found}; expected at most {limits.pixels:,} in all.", where="map")


def _of_png(data: bytes, limits: MapLimits) -> NDArray[np.generic]:
    try:
        with PIL.Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            check_size(image.height, image.width, limits)
            if image.mode not in _GREY:
                raise MapError(
                    f"the map is a PNG of mode {image.mode}; expected grey without transparency, 8 or 16 bits.",
                    where="map",
                )
            image.load()
            return np.asarray(image, _GREY[image.mode])
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as error:
        raise MapError(
            f"the map has far more pixels than {limits.side} on a side ({error}).", where="map"
        ) from error
    except BROKEN as error:
        raise _broken(str(error)) from error


def _broken(reason: str) -> MapError:
    return MapError(
        f"the map is broken or cut short: {reason:.200}. Check that the upload is complete.", where="map"
    )
