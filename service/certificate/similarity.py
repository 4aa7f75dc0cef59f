"""How alike two maps are."""

import cv2
import numpy as np
from numpy.typing import NDArray

from service.arrays import SaliencyMap
from service.faithfulness.measures.correlation import spearman

_DEVIATION = 1.5
_WINDOW = 11
"""Of Wang's Gaussian window, in pixels; a smaller map has the largest odd window that fits."""

_LUMINANCE, _CONTRAST = 0.01**2, 0.03**2
"""Wang's constants for a range of 1."""


def rank_correlation(first: SaliencyMap, second: SaliencyMap) -> float:
    """Spearman's rank correlation over the pixels; tied pixels share their mean rank.

    Returns:
        In [-1, 1]; 0 where one of the maps is the same everywhere, which ranks nothing.

    Examples:
        >>> rank_correlation(np.array([[1, 2, 3]], np.float32), np.array([[10, 20, 15]], np.float32))
        0.5
    """
    found = spearman(first.astype(np.float64).ravel(), second.astype(np.float64).ravel())
    return 0.0 if found is None else found


def structural_similarity(first: SaliencyMap, second: SaliencyMap) -> float:
    """SSIM of the magnitudes, each map scaled to a maximum of 1.

    It rewards edges in the same places, whatever made them, so a high value alone says little.

    Returns:
        In [-1, 1]; 1 for equal maps.

    References:
        Wang et al. "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP 2004,
        section III. https://doi.org/10.1109/TIP.2003.819861
    """
    x, y = (_scaled(values) for values in (first, second))
    mean_x, mean_y = _blurred(x), _blurred(y)
    variance_x = _blurred(x * x) - mean_x**2
    variance_y = _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    index = (2 * mean_x * mean_y + _LUMINANCE) * (2 * covariance + _CONTRAST)
    index = index / ((mean_x**2 + mean_y**2 + _LUMINANCE) * (variance_x + variance_y + _CONTRAST))
    # Where the window hangs over the border it sees pixels twice.
    margin = _side(x.shape) // 2
    rows, columns = (slice(margin, length - margin) for length in x.shape)
    return float(index[rows, columns].mean())


def _scaled(values: SaliencyMap) -> NDArray[np.float64]:
    strength: NDArray[np.float64] = np.abs(values.astype(np.float64))
    largest = strength.max()
    return strength / largest if largest > 0 else strength


def _blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    side = _side(values.shape)
    blurred = cv2.GaussianBlur(values, (side, side), _DEVIATION, borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, np.float64).reshape(values.shape)


def _side(shape: tuple[int, ...]) -> int:
    side = min(_WINDOW, *shape)
    return side - (1 - side % 2)
