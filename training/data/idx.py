"""IDX files, the format of MNIST and Fashion-MNIST."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from service.imaging.resize import ResizePolicy
from training.data.pictures import Pictures, to_size
from training.errors import DataError

FASHION = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
UNSIGNED_BYTE = 8
DIMENSIONS = 3
"""Of images: number, height, width."""


def read_idx_file(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file of bytes, packed by gzip or not.

    Raises:
        DataError: Missing, of another type, or of another length than its header says.
    """
    try:
        raw = path.read_bytes()
        data = gzip.decompress(raw) if path.suffix == ".gz" else raw
        zeros, kind, dimensions = struct.unpack_from(">HBB", data)
        shape = struct.unpack_from(f">{dimensions}I", data, 4)
        values = np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions)
    except (OSError, EOFError, zlib.error, ValueError, struct.error) as error:
        raise DataError(f"{path} cannot be read as an IDX file: {error}", where=str(path)) from error
    if zeros or kind != UNSIGNED_BYTE or values.size != np.prod(shape):
        raise DataError(
            f"{path} announces {shape} values of type {kind} and holds {values.size} bytes; expected unsigned bytes",
            where=str(path),
        )
    return values.reshape(shape)


def read_idx(root: Path, part: str, *, policy: ResizePolicy, size: int) -> Pictures:
    """Read ``{train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz]``; grey becomes RGB.

    Raises:
        DataError: A file is missing or broken, or the two disagree in length.
    """
    stem = "train" if part == "train" else "t10k"
    images = read_idx_file(_find(root, f"{stem}-images-idx3-ubyte"))
    labels = read_idx_file(_find(root, f"{stem}-labels-idx1-ubyte"))
    if len(images) != len(labels):
        raise DataError(
            f"{root} has {len(images)} images and {len(labels)} labels for {part}", where=str(root)
        )
    if images.ndim != DIMENSIONS or not len(images):
        raise DataError(
            f"{root} has {images.shape} values as images for {part}; expected some, of a height and a width",
            where=str(root),
        )
    stack = torch.stack([to_size(np.repeat(image[:, :, None], 3, axis=2), policy, size) for image in images])
    names = tuple(f"{part}-{number}" for number in range(len(labels)))
    return Pictures(FASHION, torch.from_numpy(labels.astype(np.int64)), names, stack.__getitem__)


def _find(root: Path, name: str) -> Path:
    for path in (root / f"{name}.gz", root / name):
        if path.is_file():
            return path
    raise DataError(f"{root} has neither {name}.gz nor {name}", where=str(root))
