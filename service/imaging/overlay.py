"""A saliency map, painted over the part of the picture that the model saw."""

from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from service.arrays import Picture, SaliencyMap
from service.imaging.encode import png
from service.imaging.heat import Heat, heat_map, strongest
from service.imaging.resize import Box

OverlayEncoding = Literal["png", "jpeg"]

Affine: TypeAlias = NDArray[np.float64]
"""``[2, 3]``, takes a pixel centre of the overlay to one of the map."""

SHORTEST_SIDE = 512
"""Of the longer side of an overlay, pixels: small pictures are enlarged so that a map can be read at all."""

LONGEST_SIDE = 1024
"""Of the longer side of an overlay, pixels: a map of 224 x 224 has nothing to show on more."""

JPEG_QUALITY = 92
"""Of 100, with full-size colour: at the edges of the heat nothing is to be seen of the encoding."""


def draw_overlay(
    picture: Picture, saliency: SaliencyMap, box: Box, encoding: OverlayEncoding = "png"
) -> bytes:
    """Paint a map over the region of the picture that it is about.

    Args:
        picture: ``[height, width, 3]``, RGB in [0, 255], as decoded.
        saliency: ``[H, W]``, finite, of the model's input.
        box: Where the model's input lies on the picture; what reaches beyond the picture (padding) is cut.
        encoding: ``png`` is exact. ``jpeg`` takes a fortieth of the time and an eighth of the bytes; what is
            painted over is a photograph.

    Returns:
        A picture file, RGB, of the aspect ratio of the region, its longer side between :data:`SHORTEST_SIDE` and
        :data:`LONGEST_SIDE`. The same arguments give the same bytes.

    Examples:
        >>> picture = np.zeros((300, 400, 3), np.uint8)
        >>> data = draw_overlay(picture, np.eye(7, dtype=np.float32), Box(100, 0, 200, 300))
        >>> cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape
        (512, 341, 3)
    """
    left, top, right, bottom = _seen(picture, box)
    scale = _scale(right - left, bottom - top)
    width, height = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    region = _resize(picture[top:bottom, left:right], width, height)
    heat = heat_map(_sample(saliency, box, (left, top, right, bottom), width, height), strongest(saliency))
    painted = np.asarray(cv2.cvtColor(_blend(region, heat), cv2.COLOR_RGB2BGR), np.uint8)
    return png(painted) if encoding == "png" else _jpeg(painted)


def _jpeg(pixels: Picture) -> bytes:
    full_colour = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, *full_colour])
    return data.tobytes()


def _seen(picture: Picture, box: Box) -> tuple[int, int, int, int]:
    """Cut the box to whole pixels that exist; never empty."""
    height, width = picture.shape[:2]
    left = min(max(0, round(box.left)), width - 1)
    top = min(max(0, round(box.top)), height - 1)
    right = max(left + 1, min(width, round(box.left + box.width)))
    bottom = max(top + 1, min(height, round(box.top + box.height)))
    return left, top, right, bottom


def _scale(width: int, height: int) -> float:
    longer = max(width, height)
    return min(max(longer, SHORTEST_SIDE), LONGEST_SIDE) / longer


def _resize(picture: Picture, width: int, height: int) -> Picture:
    shrinks = width < picture.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=interpolation), np.uint8)


def _sample(
    saliency: SaliencyMap, box: Box, seen: tuple[int, int, int, int], width: int, height: int
) -> SaliencyMap:
    """Read the map at every pixel centre of the overlay, between its own pixel centres linearly."""
    rows, columns = saliency.shape
    left, top, right, bottom = seen
    across = (right - left) / width * columns / box.width
    down = (bottom - top) / height * rows / box.height
    to_map: Affine = np.array(
        [
            [across, 0, 0.5 * across - 0.5 + (left - box.left) * columns / box.width],
            [0, down, 0.5 * down - 0.5 + (top - box.top) * rows / box.height],
        ]
    )
    sampled = cv2.warpAffine(
        saliency,
        to_map,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(sampled, np.float32)


def _blend(region: Picture, heat: Heat) -> Picture:
    """Lay the colours over the picture, most of whose own colour is taken out so as not to be read as heat.

    In bytes, by OpenCV: the same sums in NumPy's float32 were half of an overlay's time.
    """
    grey = cv2.cvtColor(cv2.cvtColor(region, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    ground = cv2.addWeighted(grey, 0.7, region, 0.3, 0)
    return np.asarray(cv2.blendLinear(ground, heat.colour, 1 - heat.cover, heat.cover), np.uint8)
