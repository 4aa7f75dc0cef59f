"""The two kinds of PNG that the client handles itself, so that it needs no imaging library.

Reads what the service writes: one 16-bit grey channel, not interlaced. Source: PNG
specification, third edition (W3C 2025), sections 9 (filtering) and 11.2 (IHDR, IDAT).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from saliserve_client.errors import UnexpectedAnswerError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
STEP = 2
"""Bytes per pixel of 16-bit grey: the distance to the byte "to the left" in a filter's formula."""


def grey16(numpy: Any, data: bytes) -> NDArray[np.uint16]:
    """Decode a 16-bit grey PNG.

    Args:
        numpy: The module.
        data: The file.

    Returns:
        ``[height, width]``.

    Raises:
        UnexpectedAnswerError: Not a PNG of that kind, or cut short.
    """
    try:
        width, height, packed = _content(data)
        rows = numpy.frombuffer(zlib.decompress(packed), numpy.uint8).reshape(height, 1 + width * STEP)
    except (ValueError, struct.error, zlib.error) as error:
        raise UnexpectedAnswerError(f"explanation.map.data: not a 16-bit grey PNG: {error}") from error
    pixels = _unfilter(numpy, rows[:, 0], rows[:, 1:])
    return pixels.view(">u2").astype(numpy.uint16)  # type: ignore[no-any-return]


def size(data: bytes) -> tuple[int, int]:
    """Read ``(width, height)`` of any PNG from its header.

    Raises:
        ValueError: Not a PNG.
    """
    if data[:8] != SIGNATURE or data[12:16] != b"IHDR":
        raise ValueError("no PNG signature")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def gradient(width: int, height: int) -> bytes:
    """Make a small colour picture to try a service with: red grows to the right, green downwards."""
    rows = b"".join(
        b"\0" + b"".join(bytes((255 * x // width, 255 * y // height, 128)) for x in range(width))
        for y in range(height)
    )
    head = struct.pack(">II5B", width, height, 8, 2, 0, 0, 0)
    return SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _content(data: bytes) -> tuple[int, int, bytes]:
    width, height = size(data)
    if data[24:29] != bytes([16, 0, 0, 0, 0]):  # depth, colour type, compression, filter, interlace
        raise ValueError(f"depth {data[24]}, colour type {data[25]}, interlace {data[28]}")
    return width, height, b"".join(body for name, body in _chunks(data) if name == b"IDAT")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        yield name, data[at + 8 : at + 8 + length]
        at += 12 + length  # length, name, body, checksum


def _unfilter(numpy: Any, kinds: Any, rows: Any) -> Any:
    pixels = numpy.zeros_like(rows)
    above = numpy.zeros(rows.shape[1], numpy.uint8)
    for index, (kind, row) in enumerate(zip(kinds.tolist(), rows, strict=True)):
        if kind == 0:
            line = row
        elif kind == 1:  # each byte was stored less the one to its left
            line = numpy.cumsum(row.reshape(-1, STEP), axis=0, dtype=numpy.uint8).reshape(-1)
        elif kind == 2:  # noqa: PLR2004 - PNG's number for "up"
            line = row + above
        elif kind in {3, 4}:
            line = numpy.frombuffer(_sequential(kind, bytes(row), bytes(above)), numpy.uint8)
        else:
            raise UnexpectedAnswerError(f"explanation.map.data: PNG filter {kind}")
        pixels[index] = above = line
    return pixels


def _sequential(kind: int, row: bytes, above: bytes) -> bytes:
    """Undo "average" (3) and "Paeth" (4), in which each byte depends on the one just undone."""
    line = bytearray(STEP) + bytearray(row)
    upper = bytes(STEP) + above
    for at in range(STEP, len(line)):
        left, up, corner = line[at - STEP], upper[at], upper[at - STEP]
        predicted = (left + up) // 2 if kind == 3 else _paeth(left, up, corner)  # noqa: PLR2004
        line[at] = (line[at] + predicted) & 0xFF
    return bytes(line[STEP:])


def _paeth(left: int, up: int, corner: int) -> int:
    estimate = left + up - corner
    to_left, to_up, to_corner = abs(estimate - left), abs(estimate - up), abs(estimate - corner)
    if to_left <= to_up and to_left <= to_corner:
        return left
    return up if to_up <= to_corner else corner
