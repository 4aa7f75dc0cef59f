"""Eight photographs that come with the project or with scikit-image."""

from pathlib import Path

import numpy as np
import PIL.Image
import skimage.data

from service.arrays import Picture

SAMPLES = Path(__file__).parents[1] / "samples"

PHOTOS = ("chelsea", "coffee", "astronaut", "rocket", "camera", "motorcycle_left", "coins", "moon")
"""A cat, a cup, a person, a rocket at night, a photographer, a motorcycle, old coins, the moon's surface."""


def photo(name: str) -> Picture:
    """Read a photograph, RGB."""
    for folder in (SAMPLES, Path(skimage.data.data_dir)):
        for path in folder.glob(f"{name}.*"):
            return np.asarray(PIL.Image.open(path).convert("RGB"))
    raise FileNotFoundError(f"no photograph {name!r} in samples/ or scikit-image")
