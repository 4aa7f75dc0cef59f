"""Is the map where the object is?"""

import numpy as np
from numpy.typing import NDArray

from service.arrays import SaliencyMap
from service.faithfulness.measures.localisation import relevance_mass
from training.data.pictures import Boxes


def inside(boxes: Boxes, height: int, width: int) -> NDArray[np.float64]:
    """Share of each pixel that lies in some box, ``[height, width]``; where boxes overlap, that of the larger share.

    Examples:
        >>> inside(np.array([[0.5, 0.0, 2.0, 1.0]]), 1, 3)
        array([[0.5, 1. , 0. ]])
    """
    covered = np.zeros((height, width))
    for left, top, right, bottom in boxes:
        across = np.clip(
            np.minimum(np.arange(1, width + 1), right) - np.maximum(np.arange(width), left), 0, 1
        )
        down = np.clip(
            np.minimum(np.arange(1, height + 1), bottom) - np.maximum(np.arange(height), top), 0, 1
        )
        covered = np.maximum(covered, down[:, None] * across[None, :])
    return covered


def mass_in_boxes(values: SaliencyMap, boxes: Boxes) -> float | None:
    """Share of a map that lies in the boxes; by chance, their share of the area.

    Args:
        values: ``[H, W]``; what is negative counts nowhere.
        boxes: In pixels of the map.

    Returns:
        In [0, 1]; None if nothing is positive.

    Examples:
        >>> mass_in_boxes(np.array([[3.0, 1.0]], np.float32), np.array([[0.0, 0.0, 1.0, 1.0]]))
        0.75
    """
    return relevance_mass(values, inside(boxes, *values.shape))


def area_share(boxes: Boxes, height: int, width: int) -> float:
    """Share of the image that lies in the boxes: what a uniform map would score."""
    return float(inside(boxes, height, width).mean())
