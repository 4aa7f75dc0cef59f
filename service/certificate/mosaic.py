"""Composites with known evidence: four pictures in four quadrants, one of which is of the explained class.

The idea is the grid pointing game (Böhle, Fritz, Schiele. "Convolutional Dynamic Alignment Networks for
Interpretable Classifications", CVPR 2021, section 4.2. https://arxiv.org/abs/2104.00032). Two things are added:
a composite counts only if the model itself shows that its evidence lies in that quadrant, and what a map puts there
is compared with what the same method puts there for a network that knows nothing, so that a map of edges
gains nothing from pictures with many of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from service.arrays import Image, SaliencyMap
from service.runtime.model import LoadedModel
from service.runtime.plan import MicroBatch

QUADRANTS = 4

TRIES = 6
"""Composites tried for each that is wanted."""


@dataclass(frozen=True, slots=True)
class Composite:
    """An image with planted evidence.

    Args:
        pixels: ``[3, H, W]``.
        target: The class of the picture in the quadrant.
        quadrant: 0 to 3, row by row.
    """

    pixels: Image
    target: int
    quadrant: int


def composites(
    model: LoadedModel,
    images: Sequence[Image],
    classes: Sequence[int],
    *,
    count: int,
    random: np.random.Generator,
) -> tuple[tuple[Composite, ...], int]:
    """Put pictures together and keep the composites in which the model finds the evidence.

    A quadrant has its turn until it succeeds. Were it passed over, quadrants in which the model finds evidence more
    easily, mostly those where objects are in photographs, would have more composites, and a method whose maps lie there
    whatever the picture would score above chance. The price: a model that finds nothing in one of them gets no more
    than the composites so far, so that few of many tried is what the note of the check says of it.

    Args:
        model: Judges where the evidence is.
        images: ``[3, H, W]`` each.
        classes: What the model takes each of them for.
        count: Composites wanted; their planted quadrants take turns.
        random: Which pictures meet.

    Returns:
        At most *count* composites, and how many were tried. None if all pictures are of one class.
    """
    if len(set(classes)) == 1:
        return (), 0
    found: list[Composite] = []
    for attempt in range(TRIES * count):
        if attempt % len(images) == 0:
            turns = random.permutation(len(images))
        index = int(turns[attempt % len(images)])
        made = _plant(images, classes, index, len(found) % QUADRANTS, random)
        if evidence_is_planted(model, made):
            found.append(made)
        if len(found) == count:
            return tuple(found), attempt + 1
    return tuple(found), TRIES * count


def evidence_is_planted(model: LoadedModel, composite: Composite) -> bool:
    """Say whether the target's logit falls, and most, when the planted quadrant is emptied.

    Emptied means painted in the composite's mean colour.
    """
    emptied = [composite.pixels]
    for quadrant in range(QUADRANTS):
        image = composite.pixels.copy()
        rows, columns = bounds(quadrant, *image.shape[1:])
        image[:, rows, columns] = composite.pixels.mean(axis=(1, 2), dtype=np.float64)[:, None, None]
        emptied.append(image)
    images = model.device.upload(np.stack(emptied))
    logits = model.run(MicroBatch(images, len(emptied)))["logits"].numpy()[:, composite.target]
    falls = logits[0] - logits[1:]
    others = np.delete(falls, composite.quadrant)
    return bool(falls[composite.quadrant] > max(0.0, others.max()))


def mass_in(saliency: SaliencyMap, quadrant: int) -> float:
    """Share of the positive part of a map that lies in a quadrant.

    Returns:
        In [0, 1]; the quadrant's share of the area for a map with no positive value, which points nowhere.

    Examples:
        >>> mass_in(np.array([[3.0, 1.0], [-5.0, 0.0]], np.float32), 0)
        0.75
    """
    positive = np.maximum(saliency.astype(np.float64), 0)
    total = float(positive.sum())
    if total == 0:
        return area_share(quadrant, *saliency.shape)
    return float(positive[bounds(quadrant, *saliency.shape)].sum()) / total


def area_share(quadrant: int, height: int, width: int) -> float:
    """Share of the area that a quadrant has; a quarter where both sides are even."""
    rows, columns = bounds(quadrant, height, width)
    return float((rows.stop - rows.start) * (columns.stop - columns.start)) / (height * width)


def bounds(quadrant: int, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of a quadrant."""
    below, right = divmod(quadrant, 2)
    rows = slice(height // 2, height) if below else slice(0, height // 2)
    columns = slice(width // 2, width) if right else slice(0, width // 2)
    return rows, columns


def compose(images: Sequence[Image], height: int, width: int) -> Image:
    """Scale four images down to the quadrants of one, averaging areas."""
    made = np.zeros((3, height, width), np.float32)
    for quadrant, image in enumerate(images):
        rows, columns = bounds(quadrant, height, width)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        small: NDArray[np.float32] = np.asarray(
            cv2.resize(image.transpose(1, 2, 0), size, interpolation=cv2.INTER_AREA), np.float32
        )
        made[:, rows, columns] = small.transpose(2, 0, 1)
    return made


def _plant(
    images: Sequence[Image], classes: Sequence[int], index: int, quadrant: int, random: np.random.Generator
) -> Composite:
    """Put a picture into a quadrant among three random ones of other classes, repeated where there are too few."""
    others = [other for other, label in enumerate(classes) if label != classes[index]]
    beside = list(random.choice(others, QUADRANTS - 1, replace=len(others) < QUADRANTS - 1))
    beside.insert(quadrant, index)
    height, width = images[0].shape[1:]
    return Composite(compose([images[one] for one in beside], height, width), int(classes[index]), quadrant)
