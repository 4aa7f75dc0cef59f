"""The size of a WebP picture, from its first thirty bytes.

Pillow makes the WebP decoder, and with it two canvases of four bytes per pixel, before anybody can
ask for the size. So the header is read here first.
"""

from collections.abc import Callable

HEADER_BYTES = 30


def _lossy(header: bytes) -> tuple[int, int]:
    """``VP8 ``: 14 bits each behind the start code (RFC 6386, section 9.1)."""
    width, height = _little(header[26:28]), _little(header[28:30])
    return width & 0x3FFF, height & 0x3FFF


def _lossless(header: bytes) -> tuple[int, int]:
    """``VP8L``: two 14-bit fields behind the signature, each one less than the size (RFC 9649, 3.4)."""
    bits = _little(header[21:25])
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _extended(header: bytes) -> tuple[int, int]:
    """``VP8X``: the canvas, two 24-bit fields, each one less than the size (RFC 9649, 2.7.1)."""
    return _little(header[24:27]) + 1, _little(header[27:30]) + 1


def _little(field: bytes) -> int:
    return int.from_bytes(field, "little")


_READERS: dict[bytes, Callable[[bytes], tuple[int, int]]] = {
    b"VP8 ": _lossy,
    b"VP8L": _lossless,
    b"VP8X": _extended,
}


def webp_size(data: bytes) -> tuple[int, int] | None:
    r"""Read width and height in pixels.

    Returns:
        None if the bytes are no WebP picture or stop within the header.

    Examples:
        >>> webp_size(b"RIFF....WEBPVP8X" + bytes(8) + b"\x7f\x02\0" + b"\xdf\x01\0")
        (640, 480)
        >>> webp_size(b"GIF89a") is None
        True

    References:
        RFC 9649, "WebP Image Format", 2024. RFC 6386, "VP8 Data Format", 2011.
    """
    header = data[:HEADER_BYTES]
    if len(header) < HEADER_BYTES or header[:4] != b"RIFF" or header[8:12] != b"WEBP":
        return None
    reader = _READERS.get(header[12:16])
    return reader(header) if reader else None
