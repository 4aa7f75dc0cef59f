"""Images to measure a graph with, where nothing is known of the data it was made for."""

import numpy as np

from service.arrays import Image

BLOCK_PIXELS = 16
GRAIN = 0.1


def probe_image(height: int, width: int, seed: int) -> Image:
    """Make an image with coarse patches of colour and fine grain, as photographs have.

    Pure noise would average out in every pooling layer, and hardly excite a trained classifier.

    Args:
        height: Rows.
        width: Columns.
        seed: Another seed gives another image.

    Returns:
        ``[3, height, width]``, RGB in [0, 1].
    """
    generator = np.random.default_rng(seed)
    patches = generator.random((3, -(-height // BLOCK_PIXELS), -(-width // BLOCK_PIXELS)))
    coarse = patches.repeat(BLOCK_PIXELS, 1).repeat(BLOCK_PIXELS, 2)[:, :height, :width]
    grain = generator.normal(scale=GRAIN, size=coarse.shape)
    return np.clip(coarse + grain, 0, 1).astype(np.float32)
