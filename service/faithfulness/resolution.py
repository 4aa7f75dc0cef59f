"""A map of any resolution, on the model's pixels."""

import cv2
import numpy as np
from numpy.typing import NDArray

from service.arrays import SaliencyMap
from service.errors import MapError
from service.imaging.map_file import check_size

LARGEST = 1e30
"""Above it a map is scaled down: averaging first adds up to 4096 x 4096 values, in float32."""


def at_resolution(saliency: NDArray[np.generic], height: int, width: int) -> SaliencyMap:
    """Check a map and bring it to the size of the model's input.

    A coarser map is interpolated linearly between the centres of its pixels; a finer one is averaged.

    Args:
        saliency: ``[h, w]`` of any size and any real type, signed.
        height: Of the model's input.
        width: Of the model's input.

    Returns:
        ``[height, width]``.

    Raises:
        MapError: Not two axes, no pixels or too many, no real numbers, or NaN or infinity among them.

    Examples:
        >>> at_resolution(np.array([[1, 3]]), 1, 4)
        array([[1. , 1.5, 2.5, 3. ]], dtype=float32)
    """
    if saliency.ndim != 2:  # noqa: PLR2004 - rows and columns
        raise MapError(
            f"the map has shape {list(saliency.shape)}; expected [height, width]. Reduce colour channels to one "
            "value per pixel, for example by their sum.",
            where="map",
        )
    check_size(*saliency.shape)
    if not (np.issubdtype(saliency.dtype, np.number) or saliency.dtype == np.bool_) or np.iscomplexobj(
        saliency
    ):
        raise MapError(f"the map holds {saliency.dtype}; expected real numbers.", where="map")
    wide = saliency.astype(np.float64)
    broken = int(np.size(wide) - np.isfinite(wide).sum())
    if broken:
        raise MapError(
            f"{broken} of {wide.size} values of the map are NaN or infinite; expected finite numbers only.",
            where="map",
        )
    return _resample(_in_range(wide), height, width)


def _in_range(wide: NDArray[np.float64]) -> SaliencyMap:
    """Scale values whose sums float32 cannot hold; no score depends on the scale of a map."""
    largest = float(np.abs(wide).max())
    if largest > LARGEST or 0 < largest < np.finfo(np.float32).tiny:
        wide = wide / largest
    return wide.astype(np.float32)


def _resample(saliency: SaliencyMap, height: int, width: int) -> SaliencyMap:
    rows, columns = saliency.shape
    vertical = cv2.INTER_AREA if rows > height else cv2.INTER_LINEAR
    horizontal = cv2.INTER_AREA if columns > width else cv2.INTER_LINEAR
    # One axis at a time: a map may be finer than the input along one and coarser along the other.
    tall = np.asarray(cv2.resize(saliency, (columns, height), interpolation=vertical), np.float32)
    wide = np.asarray(cv2.resize(tall, (width, height), interpolation=horizontal), np.float32)
    return wide.reshape(height, width)
