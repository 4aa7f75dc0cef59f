"""The pictures that methods are checked on."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from service.arrays import Image, Picture
from service.bundle.certificate import PictureSet
from service.errors import BundleBuildError, ImageError
from service.imaging.decode import ImageLimits, decode

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})

FEWEST = 2
"""A composite needs something beside the planted picture."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """What was read.

    Args:
        images: ``[3, H, W]`` each, as the model sees them.
        described: What the manifest keeps of them.
    """

    images: tuple[Image, ...]
    described: PictureSet


def read_pictures(folder: Path, view: Callable[[Picture], Image], *, count: int, seed: int) -> Pictures:
    """Read pictures from a folder and those below it.

    Args:
        folder: Holds the pictures.
        view: Brings one to the model's input size.
        count: Most pictures; if there are more, which ones is drawn by the seed.
        seed: Of that draw.

    Raises:
        BundleBuildError: There is no such folder, too few pictures in it, or one that cannot be decoded.
    """
    if not folder.is_dir():
        raise BundleBuildError(f"there is no folder {folder}; expected pictures", where=str(folder))
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if len(paths) < FEWEST:
        raise BundleBuildError(
            f"{folder} holds {len(paths)} pictures ({', '.join(sorted(SUFFIXES))}); expected at least {FEWEST}, "
            "better 16, of several classes",
            where=str(folder),
        )
    chosen = np.random.default_rng(seed).permutation(len(paths))[:count]
    contents = [_bytes(paths[index]) for index in sorted(chosen)]
    images = tuple(
        _image(paths[index], data, view) for index, data in zip(sorted(chosen), contents, strict=True)
    )
    return Pictures(images, describe(contents))


def describe(contents: list[bytes]) -> PictureSet:
    """Name a set of files without keeping them; their order does not matter."""
    digests = sorted(hashlib.sha256(data).hexdigest() for data in contents)
    return PictureSet(count=len(digests), sha256=hashlib.sha256("\n".join(digests).encode()).hexdigest())


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleBuildError(f"{path} cannot be read: {error.strerror}", where=str(path)) from error


def _image(path: Path, data: bytes, view: Callable[[Picture], Image]) -> Image:
    try:
        return view(decode(data, ImageLimits()))
    except ImageError as error:
        raise BundleBuildError(f"{path}: {error.detail}", where=str(path)) from error
