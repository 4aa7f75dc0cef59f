"""Maps that know nothing of the model, and what a map says beyond them.

On many photographs edges and the middle of the frame are where the object is, so a trivial map
can rank the cells far better than chance. A map is not called faithful for saying what they say.
"""

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from service.arrays import Image, SaliencyMap
from service.faithfulness.order import Scores, normal_scores


def edges(pixels: Image) -> SaliencyMap:
    """Return how fast the brightness changes: the magnitude of its Sobel gradient.

    Examples:
        >>> edges(np.ones((3, 2, 2), np.float32))
        array([[0., 0.],
               [0., 0.]], dtype=float32)
    """
    brightness = pixels.mean(axis=0)
    across = cv2.Sobel(brightness, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(brightness, cv2.CV_32F, 0, 1)
    magnitude: SaliencyMap = np.hypot(across, down)
    return magnitude


def centre(pixels: Image) -> SaliencyMap:
    """Return a Gaussian blob in the middle, its deviation a quarter of the shorter side."""
    _, height, width = pixels.shape
    deviation = min(height, width) / 4
    row = (np.arange(height) - (height - 1) / 2) / deviation
    column = (np.arange(width) - (width - 1) / 2) / deviation
    blob: SaliencyMap = np.exp(-(row[:, None] ** 2 + column[None, :] ** 2) / 2).astype(np.float32)
    return blob


def contrast(pixels: Image) -> SaliencyMap:
    """Return how far each pixel's colour is from the mean colour, averaged over the channels.

    Examples:
        >>> contrast(np.array([[[0.0, 1.0]]] * 3, np.float32))
        array([[0.5, 0.5]], dtype=float32)
    """
    mean = pixels.mean(axis=(1, 2), keepdims=True)
    distance: SaliencyMap = np.abs(pixels - mean).mean(axis=0)
    return distance


CONTROLS: Mapping[str, Callable[[Image], SaliencyMap]] = {
    "edges": edges,
    "centre": centre,
    "contrast": contrast,
}


def beyond(scores: Scores, trivial: Sequence[Scores]) -> Scores:
    """Take out of a map what a straight line through trivial maps can say of it.

    Everything is compared by rank, because only ranks decide in which order cells are removed.

    Args:
        scores: ``[cells]`` of the map.
        trivial: The scores of the trivial maps.

    Returns:
        ``[cells]``: the residual of a least-squares fit; its scale is that of :func:`normal_scores`.

    Examples:
        Nothing is left of a map that ranks the cells as a trivial one does:

        >>> edge_scores = np.array([3.0, 1.0, 2.0, 7.0])
        >>> float(np.abs(beyond(edge_scores**3, [edge_scores])).max().round(12))
        0.0
    """
    ranked = normal_scores(scores)
    columns = [normal_scores(one) for one in trivial]
    design: NDArray[np.float64] = np.stack([*columns, np.ones(len(ranked))], axis=1)
    coefficients, *_ = np.linalg.lstsq(design, ranked, rcond=None)
    residual: Scores = ranked - design @ coefficients
    return residual


def share_explained(scores: Scores, residual: Scores) -> float:
    """Say how much of the variance of a map's ranks the trivial maps explain, in [0, 1].

    Args:
        scores: ``[cells]`` of the map; not all equal.
        residual: Of :func:`beyond`.
    """
    return float(1 - np.var(residual) / np.var(normal_scores(scores)))
