"""Windows of pictures with Pascal-VOC boxes: is the object in the window, and where."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.arrays import Picture
from service.errors import ImageError
from service.imaging.decode import decode
from service.imaging.resize import ResizePolicy
from training.data.pictures import LIMITS, Boxes, Pictures, to_size
from training.errors import DataError
from training.random import seed_of

WHOLE_SHARE = 0.7
"""Least share of an object's area inside a window that shows it. Windows with less of it, but some, are left out."""


@dataclass(frozen=True, slots=True)
class Window:
    """A square of a picture.

    Args:
        left: Pixels of the picture.
        top: Likewise.
        present: Whether it shows the object.
        boxes: ``[count, 4]``, the objects in pixels of the window.
    """

    left: int
    top: int
    present: bool
    boxes: Boxes


def read_boxes(annotation: Path, name: str) -> Boxes:
    """Read the boxes of one kind of object, ``[count, 4]``: left, top, right, bottom.

    Raises:
        DataError: The file is missing or is not a Pascal-VOC annotation.
    """
    try:
        # The files are the user's own data set; entities are not expanded by this parser's defaults.
        root = ET.fromstring(annotation.read_bytes())  # noqa: S314
        found = [
            [float(_text(box, f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")]
            for box in root.iter("object")
            if _text(box, "name") == name
        ]
    except (OSError, ET.ParseError, ValueError) as error:
        raise DataError(
            f"{annotation} is no Pascal-VOC annotation: {error}", where=str(annotation)
        ) from error
    return np.array(found, np.float64).reshape(-1, 4)


def cut_windows(
    boxes: Boxes, *, height: int, width: int, side: int, tries: int, random: np.random.Generator
) -> list[Window]:
    """Choose windows at random: some around an object, some without any, in equal numbers where possible.

    Args:
        boxes: ``[count, 4]`` in the picture.
        height: Of the picture.
        width: Of the picture.
        side: Of a window.
        tries: Windows of each class to aim for.
        random: Where the windows fall.
    """
    chosen: dict[bool, list[Window]] = {True: [], False: []}
    for _ in range(20 * tries):
        left = int(random.integers(0, width - side + 1))
        top = int(random.integers(0, height - side + 1))
        inside = np.clip(boxes - [left, top, left, top], 0, side)
        shares = _areas(inside) / np.maximum(_areas(boxes), 1)
        present = bool((shares >= WHOLE_SHARE).any())
        if (present or not (shares > 0).any()) and len(chosen[present]) < tries:
            chosen[present].append(Window(left, top, present, inside[shares > 0]))
    return chosen[True] + chosen[False]


def read_windows(
    root: Path,
    part: str,
    *,
    name: str,
    side: int,
    per_picture: int,
    policy: ResizePolicy,
    size: int,
    skip_corrupt: bool,
) -> Pictures:
    """Cut windows from the pictures that ``ImageSets/Main/<part>.txt`` lists.

    Parts share no picture, so no cell is in two of them.

    Args:
        root: Holds ``Annotations``, ``ImageSets`` and ``JPEGImages``.
        part: ``train``, ``val`` or ``test``.
        name: The object whose presence is the class.
        side: Of a window, pixels of the picture.
        per_picture: Windows of each class to aim for on each picture.
        policy: How a window becomes an image.
        size: Side of the image.
        skip_corrupt: Leave out pictures that cannot be decoded, else stop.

    Raises:
        DataError: A file is missing or broken; an annotation always, as it says where the object is.
    """
    listing = root / "ImageSets" / "Main" / f"{part}.txt"
    try:
        stems = listing.read_text(encoding="utf-8").split()
    except OSError as error:
        raise DataError(f"{listing} cannot be read: {error}", where=str(listing)) from error
    pictures, labels, names, boxes, skipped = [], [], [], [], []
    for stem in stems:
        path = root / "JPEGImages" / f"{stem}.jpg"
        try:
            picture = _read_picture(path)
        except DataError:
            if not skip_corrupt:
                raise
            skipped.append(str(path))
            continue
        random = np.random.default_rng(seed_of(0, "windows", stem))
        found = read_boxes(root / "Annotations" / f"{stem}.xml", name)
        for window in _windows(picture, found, side, tries=per_picture, random=random):
            cut = picture[window.top : window.top + side, window.left : window.left + side]
            pictures.append(to_size(cut, policy, size))
            labels.append(int(window.present))
            names.append(f"{stem}+{window.left}+{window.top}")
            boxes.append(window.boxes * size / side)
    joined = _joined(name, size, pictures=pictures, labels=labels, names=names, boxes=boxes)
    return replace(joined, skipped=tuple(skipped))


def _windows(
    picture: Picture, boxes: Boxes, side: int, *, tries: int, random: np.random.Generator
) -> list[Window]:
    height, width = picture.shape[:2]
    if side > min(height, width):
        raise DataError(
            f"data.window is {side} pixels; the picture has {width}x{height}. Choose a smaller window.",
            where="data.window",
        )
    return cut_windows(boxes, height=height, width=width, side=side, tries=tries, random=random)


def _joined(
    name: str,
    size: int,
    *,
    pictures: list[Tensor],
    labels: list[int],
    names: list[str],
    boxes: list[Boxes],
) -> Pictures:
    stack = torch.stack(pictures) if pictures else torch.empty(0, 3, size, size, dtype=torch.uint8)
    return Pictures(
        (f"no {name}", name),
        torch.tensor(labels, dtype=torch.long),
        tuple(names),
        stack.__getitem__,
        tuple(boxes),
    )


def _read_picture(path: Path) -> Picture:
    try:
        return decode(path.read_bytes(), LIMITS)
    except (ImageError, OSError) as error:
        raise DataError(
            f'{path} cannot be decoded: {error}. Remove it, or set data.corrupt = "skip".', where=str(path)
        ) from error


def _areas(boxes: Boxes) -> NDArray[np.float64]:
    areas: NDArray[np.float64] = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def _text(element: ET.Element, path: str) -> str:
    found = element.findtext(path)
    if found is None:
        raise ValueError(f"an object has no {path}")
    return found
