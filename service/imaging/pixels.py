"""Whatever a file stores per pixel -> RGB in [0, 255]."""

import numpy as np
import PIL.Image

from service.arrays import Picture
from service.errors import ImageFormatError

WHITE = (255, 255, 255, 255)

_BAND_PIXELS = 2**20
"""Converted at a time. Pillow and NumPy make up to five copies on the way, which of a whole picture of 50 megapixels
were a gigabyte."""

_SIXTEEN_BIT = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
_EIGHT_BIT = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})


def refuse_unknown_mode(image: PIL.Image.Image) -> None:
    """Refuse pixels whose scale nobody states: 32-bit integers, floats, CIE Lab.

    Raises:
        ImageFormatError: As stated.
    """
    if image.mode not in _EIGHT_BIT | _SIXTEEN_BIT:
        raise ImageFormatError(
            f"the picture's pixels are of type {image.mode}, whose white point is not defined. "
            "Expected 1, 8 or 16 bits per channel, grey, RGB, CMYK or a palette, with or without alpha.",
            where="image",
        )


def to_rgb(image: PIL.Image.Image) -> Picture:
    """Convert a loaded picture to RGB.

    16-bit grey is divided by 257, so that 65,535 becomes 255 (Pillow's own conversion clips at 255).
    16-bit colour arrives from Pillow as its high byte, at most one level off that. Transparent pixels
    lie on white. CMYK is converted without a colour profile, as browsers without one do; embedded
    profiles are ignored.

    Args:
        image: Of a mode that :func:`refuse_unknown_mode` lets pass, pixels loaded.

    Returns:
        ``[height, width, 3]``, contiguous, not shared with *image*.

    Examples:
        >>> grey = PIL.Image.fromarray(np.array([[0, 128 * 257, 65535]], np.uint16))
        >>> to_rgb(grey)[0, :, 0]
        array([  0, 128, 255], dtype=uint8)
    """
    width, height = image.size
    rows = max(1, _BAND_PIXELS // width)
    if rows >= height:
        return _converted(image)
    picture = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        picture[top:bottom] = _converted(image.crop((0, top, width, bottom)))
    return picture


def _converted(image: PIL.Image.Image) -> Picture:
    if image.mode in _SIXTEEN_BIT:
        return _from_sixteen_bit(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = PIL.Image.alpha_composite(PIL.Image.new("RGBA", layer.size, WHITE), layer)
    return np.array(image.convert("RGB"), dtype=np.uint8, order="C")


def _from_sixteen_bit(image: PIL.Image.Image) -> Picture:
    levels = np.asarray(image).astype(np.uint32)
    grey = ((levels + 128) // 257).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)
