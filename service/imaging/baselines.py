"""Pictures that are said to show nothing: what removed pixels are replaced by.

None is neutral for every model; the receipt audits each one on each image.
"""

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from service.arrays import Image


def black(pixels: Image) -> Image:
    """All zeros.

    Examples:
        >>> black(np.ones((3, 1, 1), np.float32)).ravel()
        array([0., 0., 0.], dtype=float32)
    """
    return np.zeros_like(pixels)


def channel_mean(pixels: Image) -> Image:
    """The image's own mean colour everywhere.

    Examples:
        >>> channel_mean(np.array([[[0, 1]], [[1, 1]], [[0, 0]]], np.float32))[:, 0, 0]
        array([0.5, 1. , 0. ], dtype=float32)
    """
    mean = pixels.mean(axis=(1, 2), keepdims=True, dtype=np.float64).astype(np.float32)
    return np.ascontiguousarray(np.broadcast_to(mean, pixels.shape))


def gaussian_blur(pixels: Image) -> Image:
    """The image without detail: a Gaussian of deviation one fourteenth of the shorter side.

    At 224 x 224 that is 16 pixels, wide enough to leave no object recognisable.
    """
    sigma = min(pixels.shape[1:]) / 14
    blurred = cv2.GaussianBlur(pixels.transpose(1, 2, 0), (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return np.ascontiguousarray(blurred.transpose(2, 0, 1))


BASELINES: Mapping[str, Callable[[Image], Image]] = {
    "black": black,
    "channel_mean": channel_mean,
    "gaussian_blur": gaussian_blur,
}
