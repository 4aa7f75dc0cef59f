"""One form for every data set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.arrays import Picture
from service.errors import ImageError
from service.imaging.decode import ImageLimits, decode
from service.imaging.resize import ResizePolicy, resize
from training.errors import DataError
from training.random import seed_of

LIMITS = ImageLimits(min_side=1)

NAMED = 5
"""Files that are named in a message."""

Boxes = NDArray[np.float64]
"""``[count, 4]``: left, top, right, bottom of the object, in pixels of the network's image."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Labelled pictures at the network's size.

    Args:
        classes: Names, in the order of the labels.
        labels: ``[N]``.
        names: What to call each picture, ``[N]``.
        read: Gives picture number i, uint8 ``[3, H, W]``.
        boxes: Where the object is on each picture; empty where the set has none.
        skipped: Files that could not be decoded.
    """

    classes: tuple[str, ...]
    labels: Tensor
    names: tuple[str, ...]
    read: Callable[[int], Tensor]
    boxes: tuple[Boxes, ...] = ()
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: Sequence[int]) -> "Pictures":
        """Keep some of them, in the order given."""
        positions = list(chosen)
        return replace(
            self,
            labels=self.labels[positions],
            names=tuple(self.names[i] for i in positions),
            read=lambda i: self.read(positions[i]),
            boxes=tuple(self.boxes[i] for i in positions) if self.boxes else (),
        )

    def image(self, number: int) -> Tensor:
        """Give one picture as the network sees it, float32 ``[3, H, W]`` in [0, 1]."""
        return self.read(number).float() / 255

    def batch(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Give several: images ``[n, 3, H, W]`` in [0, 1] and labels ``[n]``."""
        return torch.stack([self.image(i) for i in numbers]), self.labels[list(numbers)]


def checked(pictures: Pictures, where: str) -> Pictures:
    """Refuse what cannot be trained on.

    Raises:
        DataError: No pictures, fewer than two classes with pictures, or labels out of range.
    """
    if not len(pictures):
        raise DataError(
            f"{where} holds no pictures; expected at least one of each of two classes", where=where
        )
    low, high = int(pictures.labels.min()), int(pictures.labels.max())
    if low < 0 or high >= len(pictures.classes):
        raise DataError(
            f"{where} has labels from {low} to {high}; {len(pictures.classes)} classes are numbered from 0",
            where=where,
        )
    if low == high:
        only = pictures.classes[low]
        raise DataError(f"every picture of {where} is of class {only!r}; a classifier needs two", where=where)
    return pictures


def aligned(pictures: Pictures, classes: tuple[str, ...], where: str) -> Pictures:
    """Number the labels as training numbers them. A part without some class would number the later ones lower.

    Args:
        pictures: Of one part.
        classes: Names, in the order of the logits.
        where: The part, for messages.

    Raises:
        DataError: It has pictures of a class that training has not.
    """
    if pictures.classes == classes:
        return pictures
    found = [pictures.classes[label] for label in sorted(set(checked(pictures, where).labels.tolist()))]
    if unknown := sorted(set(found) - set(classes)):
        raise DataError(
            f"{where} has pictures of {', '.join(unknown)}; training has {', '.join(classes)}", where=where
        )
    numbers = torch.tensor([classes.index(name) if name in classes else -1 for name in pictures.classes])
    return replace(pictures, classes=classes, labels=numbers[pictures.labels])


def told_skipped(*parts: Pictures) -> str:
    """Say how many files were left out, and name some; nothing if none were."""
    names = list(dict.fromkeys(name for part in parts for name in part.skipped))
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"training: {len(names)} pictures cannot be decoded and are left out: {', '.join(names[:NAMED])}{more}\n"


def from_files(
    classes: tuple[str, ...],
    files: Sequence[tuple[Path, int]],
    *,
    policy: ResizePolicy,
    size: int,
    in_memory: bool,
    skip_corrupt: bool,
) -> Pictures:
    """Read pictures from files, decoded and resized as the service does.

    Args:
        classes: Names.
        files: Each with its label.
        policy: How a picture becomes an image.
        size: Side of the image.
        in_memory: Decode all now and keep them.
        skip_corrupt: Leave out what cannot be decoded (only with *in_memory*), else stop.

    Raises:
        DataError: A file cannot be decoded, named.
    """

    def load(path: Path) -> Tensor:
        try:
            return to_size(decode(path.read_bytes(), LIMITS), policy, size)
        except (ImageError, OSError) as error:
            raise DataError(
                f'{path} cannot be decoded: {error}. Remove it, or set data.corrupt = "skip".',
                where=str(path),
            ) from error

    paths = [path for path, _ in files]
    labels = torch.tensor([label for _, label in files], dtype=torch.long)
    names = tuple(path.name for path in paths)
    if not in_memory:
        if skip_corrupt:
            raise DataError(
                'data.corrupt = "skip" needs data.in_memory: what is decoded only in its turn is found too late '
                'to be left out. Remove what is broken, with data.corrupt = "stop" to name it.',
                where="data.corrupt",
            )
        return Pictures(classes, labels, names, lambda i: load(paths[i]))
    kept, pictures, skipped = [], [], []
    for number, path in enumerate(paths):
        try:
            pictures.append(load(path))
            kept.append(number)
        except DataError:
            if not skip_corrupt:
                raise
            skipped.append(str(path))
    stack = torch.stack(pictures) if pictures else torch.empty(0, 3, size, size, dtype=torch.uint8)
    return Pictures(
        classes, labels[kept], tuple(names[i] for i in kept), stack.__getitem__, skipped=tuple(skipped)
    )


def to_size(picture: Picture, policy: ResizePolicy, size: int) -> Tensor:
    """Bring a picture to uint8 ``[3, size, size]`` by the service's own resizing."""
    if picture.shape[:2] == (size, size):
        return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
    image = resize(picture, policy, height=size, width=size).image
    return torch.from_numpy(np.rint(image * 255).astype(np.uint8))


def split(pictures: Pictures, fraction: float) -> tuple[Pictures, Pictures]:
    """Part training and validation pictures, class by class, the same for every run.

    The seed of the run has no say: arms and seeds are compared on the same pictures.

    Returns:
        Training and validation pictures.
    """
    validation: list[int] = []
    for label in range(len(pictures.classes)):
        own = torch.nonzero(pictures.labels == label)[:, 0]
        generator = torch.Generator().manual_seed(seed_of(0, "split", label))
        shuffled = own[torch.randperm(len(own), generator=generator)]
        validation += shuffled[: round(fraction * len(own))].tolist()
    held = set(validation)
    training = [number for number in range(len(pictures)) if number not in held]
    return pictures.take(training), pictures.take(sorted(held))


def limited(pictures: Pictures, limit: int | None) -> Pictures:
    """Keep at most so many, an even share of each class as far as it goes, the same for every run."""
    if limit is None or limit >= len(pictures):
        return pictures
    kept = split(pictures, limit / len(pictures))[1]
    if len(kept):
        return kept
    # With so many classes that none is due a picture: any, or nothing would be left.
    generator = torch.Generator().manual_seed(seed_of(0, "limit"))
    return pictures.take(sorted(torch.randperm(len(pictures), generator=generator)[:limit].tolist()))
