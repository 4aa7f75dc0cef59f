"""A saliency map -> colours and how strongly to lay them on."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from service.arrays import SaliencyMap

CLIP_PERCENTILE = 99.5
"""The strongest half per cent of the pixels share the strongest colour, or single pixels would hide the rest."""

MOST_COVER = 0.8
"""Share of the strongest colour in the mixture; the picture stays visible everywhere."""

FOR_TARGET = np.array([213, 94, 0], np.uint8)
"""RGB, vermilion: evidence for the target where a map has signs."""

AGAINST_TARGET = np.array([0, 114, 178], np.uint8)
"""RGB, blue: evidence against it. The pair is of Okabe and Ito, "Color Universal Design", 2008:
apart for eyes with any of the common colour-vision deficiencies."""


_BY_SIGN = np.zeros((256, 1, 3), np.uint8)
_BY_SIGN[:2, 0] = AGAINST_TARGET, FOR_TARGET


@dataclass(frozen=True, slots=True)
class Heat:
    """Colours to lay over a picture.

    Args:
        colour: ``[H, W, 3]``, RGB in [0, 255].
        cover: ``[H, W]`` in [0, 1], share of the colour in the mixture.
    """

    colour: NDArray[np.uint8]
    cover: NDArray[np.float32]


def strongest(saliency: SaliencyMap) -> float:
    """Find the magnitude that gets the strongest colour.

    Args:
        saliency: ``[H, W]``, finite; the map itself, before it is enlarged.

    Examples:
        >>> strongest(np.array([[-2.0, 0.0, 2.0]], np.float32))
        2.0
    """
    magnitude = np.abs(saliency)
    return float(np.percentile(magnitude, CLIP_PERCENTILE)) or float(magnitude.max()) or 1.0


def heat_map(saliency: SaliencyMap, full_cover: float) -> Heat:
    """Colour a map so that stronger evidence is both more saturated and less transparent.

    A map without negative values is coloured by *inferno*, which is perceptually uniform and safe for
    colour-blind eyes. One with both signs gets two colours, and zero gets none. Colours are relative to the
    map's own strongest values, so two overlays cannot be compared by brightness. A map of zeros is left bare.

    Args:
        saliency: ``[H, W]``, finite.
        full_cover: The magnitude from which on nothing gets stronger, above 0; see :func:`strongest`.

    Examples:
        >>> heat_map(np.array([[-2.0, 0.0, 1.0]], np.float32), 2.0).cover.round(2)
        array([[0.8, 0. , 0.4]], dtype=float32)
    """
    share = np.minimum(np.abs(saliency) / full_cover, 1).astype(np.float32)
    colour = _two_colours(saliency) if (saliency < 0).any() else _inferno(share)
    return Heat(colour, MOST_COVER * share)


def _inferno(share: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Begin at a third of the scale: what lies below is nearly black and would read as shadow."""
    levels = cv2.convertScaleAbs(share, alpha=255 * 2 / 3, beta=255 / 3)
    coloured = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)
    return np.asarray(cv2.cvtColor(coloured, cv2.COLOR_BGR2RGB), np.uint8)


def _two_colours(saliency: SaliencyMap) -> NDArray[np.uint8]:
    return np.asarray(cv2.applyColorMap((saliency > 0).astype(np.uint8), _BY_SIGN), np.uint8)
