"""Remove by showing noise of the image's own colours."""

import numpy as np

from service.arrays import Image
from service.faithfulness.operators.operator import Operator, showing
from service.faithfulness.streams import stream


def shuffled_pixels(pixels: Image, random: np.random.Generator) -> Image:
    """Put every pixel, with its three colours, somewhere else: same colours, nothing recognisable.

    Uniform noise, the classical choice, would bring colours and a contrast that the image never had.

    Examples:
        >>> pixels = np.array([[[0.1, 0.2]], [[0.3, 0.4]], [[0.5, 0.6]]], np.float32)
        >>> sorted(map(tuple, shuffled_pixels(pixels, np.random.default_rng(0))[:, 0].T.tolist())) == sorted(
        ...     map(tuple, pixels[:, 0].T.tolist())
        ... )
        True
    """
    colours = pixels.reshape(3, -1)
    return np.ascontiguousarray(colours[:, random.permutation(colours.shape[1])].reshape(pixels.shape))


NOISE = Operator(
    name="noise",
    summary="the image's own pixels in a random place each, seeded",
    prepare=showing(lambda subject: shuffled_pixels(subject.pixels, stream(subject.seed, "noise"))),
)
