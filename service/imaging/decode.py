"""Bytes from a stranger -> an upright RGB picture, or the reason why not."""

import io
import struct
import time
import zlib
from dataclasses import dataclass

import PIL.Image
from PIL import (  # noqa: F401 - importing a plug-in registers it; else the first picture pays for it
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL.Image import Transpose

from service.arrays import Picture
from service.errors import (
    CorruptImageError,
    EmptyImageError,
    ImageError,
    ImageFormatError,
    ImageTooLargeError,
    ImageTooSmallError,
)
from service.imaging.pixels import refuse_unknown_mode, to_rgb
from service.imaging.webp import webp_size

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
"""Told by content, never by name. Of animations and multi-page files the first picture counts.

The list is what keeps Pillow from trying its other plug-ins, among them one that runs Ghostscript.
"""

_ORIENTATION_TAG = 0x0112

_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""EXIF orientation -> what sets the picture upright (EXIF 2.32, tag 274)."""

BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    zlib.error,
    Warning,
)
"""What Pillow's parsers raise on bytes that lie about themselves; it promises no class of its own.
Warnings are among them only where somebody has turned them into errors."""

_PHONE_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"avif", b"avis"})
"""Of ISO base media files that hold pictures; registered at mp4ra.org. A film has others."""

_SIGNATURES = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"RIFF",
    b"BM",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",
    b"MM\0*",
)
"""How files of the accepted formats begin."""

_BLOCK_BYTES = 2 * 1024
"""Read at a time, so that the clock is looked at often: 75 bytes of a progressive JPEG may be a scan that
goes over all pixels (65 ms at 49 megapixels), and 300 kB hold thousands of them."""


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What a picture may cost.

    Args:
        max_pixels: Width times height.
        max_side: Of the longer side, pixels.
        min_side: Of the shorter side, pixels.
        max_decode_ms: Milliseconds of decoding.
    """

    max_pixels: int = 50_000_000
    max_side: int = 16_384
    min_side: int = 8
    max_decode_ms: float = 5_000


class _TimedBytes(io.BytesIO):
    """Bytes that stop being handed out when the time is up."""

    def __init__(self, data: bytes, max_ms: float) -> None:
        super().__init__(data)
        self._max_ms = max_ms
        self._end_s = time.monotonic() + max_ms / 1000

    def read(self, size: int | None = -1, /) -> bytes:
        if time.monotonic() > self._end_s:
            raise _too_slow(self._max_ms)
        return super().read(size)


def decode(data: bytes, limits: ImageLimits) -> Picture:
    """Decode a picture under limits.

    Size is read from the header and checked before any pixel is allocated. Safe from many threads at
    once: no state of Pillow is changed.

    Args:
        data: A file of one of :data:`FORMATS`.
        limits: What it may cost.

    Returns:
        ``[height, width, 3]``, RGB in [0, 255], upright.

    Raises:
        EmptyImageError: No bytes.
        ImageFormatError: No accepted format, or pixels without a defined scale.
        ImageTooLargeError: More pixels, a longer side or more time than the limits allow.
        ImageTooSmallError: A side shorter than the limits allow.
        CorruptImageError: Broken or cut short.

    Examples:
        >>> buffer = io.BytesIO()
        >>> PIL.Image.new("RGB", (16, 9), "red").save(buffer, "PNG")
        >>> picture = decode(buffer.getvalue(), ImageLimits())
        >>> picture.shape, picture[0, 0].tolist()
        ((9, 16, 3), [255, 0, 0])
    """
    if not data:
        raise EmptyImageError(f"the picture has no bytes. Send a file: {', '.join(FORMATS)}.", where="image")
    if size := webp_size(data):
        check_size(*size, limits)
    with _open(data, limits) as image:
        check_size(*image.size, limits)
        refuse_unknown_mode(image)
        return _decode_pixels(image)


def _open(data: bytes, limits: ImageLimits) -> PIL.Image.Image:
    try:
        image = PIL.Image.open(_TimedBytes(data, limits.max_decode_ms), formats=FORMATS)
    except PIL.UnidentifiedImageError as error:
        raise _refuse_header(data) from error
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as error:
        # Pillow's own limit, past which it hands out no size.
        raise ImageTooLargeError(
            f"the picture has more pixels than {limits.max_pixels:,}, the limit ({error}). Scale it down.",
            where="image",
        ) from error
    except BROKEN as error:
        raise _corrupt(error) from error
    image.decodermaxblock = _BLOCK_BYTES  # of ImageFile, which open() returns
    return image


def _decode_pixels(image: PIL.Image.Image) -> Picture:
    try:
        image.load()
    except BROKEN as error:
        raise _corrupt(error) from error
    if image.mode in {"P", "PA"} and image.palette is None:  # Pillow loads it all the same, and fails later
        raise CorruptImageError(
            "the picture's pixels are numbers of colours, and it has no table of them. Check that the upload is "
            "complete.",
            where="image",
        )
    return to_rgb(_upright(image))


def _upright(image: PIL.Image.Image) -> PIL.Image.Image:
    """Turn as EXIF says. Unreadable EXIF is no reason to refuse a picture whose pixels are sound.

    Read after the pixels: of a TIFF Pillow has then applied and removed the tag itself.
    """
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except BROKEN:
        return image
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def check_size(width: int, height: int, limits: ImageLimits) -> None:
    """Refuse a picture by its size alone.

    Raises:
        ImageTooLargeError: More pixels or a longer side than the limits allow.
        ImageTooSmallError: A side shorter than the limits allow.
    """
    found = f"the picture is {width:,} x {height:,} pixels"
    if max(width, height) > limits.max_side:
        raise ImageTooLargeError(
            f"{found}; a side may have at most {limits.max_side:,}. Scale it down.", where="image"
        )
    if width * height > limits.max_pixels:
        raise ImageTooLargeError(
            f"{found}, {width * height:,} in all; at most {limits.max_pixels:,} are accepted. Scale it down.",
            where="image",
        )
    if min(width, height) < limits.min_side:
        raise ImageTooSmallError(
            f"{found}; each side needs at least {limits.min_side}. Send the original, not a thumbnail.",
            where="image",
        )


def _refuse_header(data: bytes) -> ImageError:
    if data.startswith(_SIGNATURES):
        return CorruptImageError(
            f"the picture's header is broken or cut short within its {len(data):,} bytes. "
            "Check that the upload is complete.",
            where="image",
        )
    found = (
        "the file is HEIC or AVIF, as phones write it, which is not accepted"
        if data[4:8] == b"ftyp" and data[8:12] in _PHONE_BRANDS
        else f"the file begins with {data[:8].hex(' ')}, as no accepted format does"
    )
    return ImageFormatError(
        f"{found}. Expected one of {', '.join(FORMATS)}; the content counts, not the name.",
        where="image",
    )


def _corrupt(error: Exception) -> CorruptImageError:
    return CorruptImageError(
        f"the picture is broken or cut short: {error}. Check that the upload is complete.", where="image"
    )


def _too_slow(max_ms: float) -> ImageTooLargeError:
    return ImageTooLargeError(
        f"the picture took more than {max_ms:g} ms to decode. Save it again as a baseline JPEG or a PNG.",
        where="image",
    )
