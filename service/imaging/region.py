"""Where somebody says that the object is: from a mask or boxes on the picture to pixels of the model's input."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.errors import MapError, OptionError
from service.imaging.map_file import MapLimits, read_map
from service.imaging.resize import Box

Rectangle: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels of the upright picture; right and bottom are outside."""

Mask: TypeAlias = NDArray[np.bool_]
"""``[height, width]``, true where the object is."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a caller says of where the object is.

    Args:
        boxes: Any of them may hold it.
        mask: ``[height, width]`` of the upright picture.
    """

    boxes: tuple[Rectangle, ...] = ()
    mask: Mask | None = field(default=None, compare=False)


def read_mask(data: bytes, limits: MapLimits) -> Mask:
    """Read a mask from a grey PNG or a ``.npy`` file: whatever is not 0 belongs to the object.

    Args:
        data: The file.
        limits: Those of pictures, as a mask is as large as one.

    Raises:
        OptionError: The file is none of the two, or broken, or larger than a picture may be.
    """
    try:
        return np.asarray(read_map(data, limits) != 0)
    except MapError as error:
        raise OptionError(error.detail.replace("the map", "the mask"), where="mask") from error


def region(
    place: Place, picture: tuple[int, int], seen: Box, *, height: int, width: int
) -> NDArray[np.bool_]:
    """Say which pixels of the model's input show the object: those whose centre lies on it.

    Args:
        place: On the picture.
        picture: Its height and width.
        seen: The part of it that the model sees.
        height: Of the model's input.
        width: Of the model's input.

    Returns:
        ``[height, width]``, neither empty nor everything.

    Raises:
        OptionError: The mask is of another size than the picture, or nothing or all of what the model sees
            is the object, so that no map could be wrong or right.

    Examples:
        >>> region(Place(boxes=((0, 0, 2, 4),)), (4, 4), Box(0, 0, 4, 4), height=1, width=4)
        array([[ True,  True, False, False]])
    """
    down = seen.top + (np.arange(height) + 0.5) * seen.height / height
    across = seen.left + (np.arange(width) + 0.5) * seen.width / width
    found = _in_boxes(place.boxes, down, across)
    if place.mask is not None:
        found |= _in_mask(place.mask, picture, down, across)
    if not found.any() or found.all():
        part = "all" if found.all() else "none"
        raise OptionError(
            f"{part} of what the model sees of the picture is marked as the object; expected a part of it. The model "
            f"sees the rectangle from ({seen.left:g}, {seen.top:g}), {seen.width:g} x {seen.height:g} pixels.",
            where="options.boxes" if place.mask is None else "mask",
        )
    return found


def _in_boxes(
    boxes: Sequence[Rectangle], down: NDArray[np.float64], across: NDArray[np.float64]
) -> NDArray[np.bool_]:
    found = np.zeros((len(down), len(across)), np.bool_)
    for left, top, right, bottom in boxes:
        found |= ((top <= down) & (down < bottom))[:, None] & ((left <= across) & (across < right))[None, :]
    return found


def _in_mask(
    mask: Mask, picture: tuple[int, int], down: NDArray[np.float64], across: NDArray[np.float64]
) -> NDArray[np.bool_]:
    if mask.shape != picture:
        raise OptionError(
            f"the mask is {mask.shape[1]} x {mask.shape[0]} pixels, the upright picture {picture[1]} x {picture[0]}; "
            "expected the same.",
            where="mask",
        )
    rows, columns = np.floor(down).astype(int), np.floor(across).astype(int)
    inside = ((rows >= 0) & (rows < picture[0]))[:, None] & ((columns >= 0) & (columns < picture[1]))[None, :]
    clipped = np.clip(rows, 0, picture[0] - 1), np.clip(columns, 0, picture[1] - 1)
    return np.asarray(inside & mask[np.ix_(*clipped)])
