"""The one definition of how a picture of any size becomes an image of the model's input size.

Training and serving both call :func:`resize`, so they cannot drift apart. Which policy a
model was trained with is part of its manifest.

The interpolation is Pillow's: antialiased (the kernel widens with the reduction), Keys' cubic
with a = -0.5, rounded to 8 bits. torchvision resizes PIL pictures with the very same code. The
EfficientNet authors used TensorFlow 1's ``resize_bicubic``: Keys' cubic with a = -0.75, not
antialiased. It aliases on large photographs; the published PyTorch ports of those weights
are evaluated with Pillow's kernel, and so are ours.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import numpy as np
import PIL.Image
from PIL.Image import Resampling
from pydantic import BaseModel, ConfigDict, Field

from service.arrays import Image, Picture

Interpolation = Literal["nearest", "bilinear", "bicubic"]
Level: TypeAlias = Annotated[int, Field(ge=0, le=255)]

_FILTERS = {
    "nearest": Resampling.NEAREST,
    "bilinear": Resampling.BILINEAR,
    "bicubic": Resampling.BICUBIC,
}


class _Policy(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    interpolation: Interpolation = Field("bicubic", description="Pillow's kernel of that name.")


class CenterCrop(_Policy):
    """Cut the central box of the model's aspect ratio, then scale it. The margin is not seen."""

    kind: Literal["center_crop"] = "center_crop"
    fraction: float = Field(
        0.875,
        gt=0,
        le=1,
        description="Side of the box over the side of the largest such box that fits into the picture.",
    )


class Stretch(_Policy):
    """Scale the whole picture, whatever that does to its aspect ratio."""

    kind: Literal["stretch"] = "stretch"


class Pad(_Policy):
    """Scale the whole picture to fit, keep its aspect ratio, and fill the rest (letterbox)."""

    kind: Literal["pad"] = "pad"
    fill: tuple[Level, Level, Level] = Field((0, 0, 0), description="RGB in [0, 255] of what is filled in.")


ResizePolicy: TypeAlias = Annotated[CenterCrop | Stretch | Pad, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the original picture; it reaches beyond it where the policy pads."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class ModelView:
    """What the model sees of a picture.

    Args:
        image: ``[3, H, W]``, RGB in [0, 1].
        box: Where that image lies on the original: pixel ``(row, column)`` of a map of the image covers
            the original from ``top + row * box.height / H`` and ``left + column * box.width / W`` on.
    """

    image: Image
    box: Box


def resize(picture: Picture, policy: ResizePolicy, *, height: int, width: int) -> ModelView:
    """Bring a picture to the model's input size.

    Args:
        picture: ``[h, w, 3]``, RGB in [0, 255], upright; any size from 1x1 on.
        policy: Crop, stretch or pad; from the model's manifest.
        height: Rows of the model's input.
        width: Columns of the model's input.

    Returns:
        The image and the box of the original that it shows.

    Examples:
        A 300x450 picture, seven eighths of its short side, is 262 pixels:

        >>> import numpy as np
        >>> view = resize(np.zeros((300, 450, 3), np.uint8), CenterCrop(fraction=0.875), height=224, width=224)
        >>> view.image.shape, view.box
        ((3, 224, 224), Box(left=94, top=19, width=262, height=262))
    """
    match policy:
        case CenterCrop():
            return _center_crop(picture, policy, height, width)
        case Stretch():
            return _stretch(picture, policy, height, width)
        case Pad():
            return _pad(picture, policy, height, width)


def _center_crop(picture: Picture, policy: CenterCrop, height: int, width: int) -> ModelView:
    """Cut as the EfficientNet authors do: floor of the side, the odd pixel of the margin goes first."""
    rows, columns = picture.shape[:2]
    box_height = max(1, int(policy.fraction * min(rows, columns * height / width)))
    box_width = max(1, int(policy.fraction * min(columns, rows * width / height)))
    top = (rows - box_height + 1) // 2
    left = (columns - box_width + 1) // 2
    cut = picture[top : top + box_height, left : left + box_width]
    image = _planes(_scale(cut, policy.interpolation, height, width))
    return ModelView(image, Box(left, top, box_width, box_height))


def _stretch(picture: Picture, policy: Stretch, height: int, width: int) -> ModelView:
    rows, columns = picture.shape[:2]
    image = _planes(_scale(picture, policy.interpolation, height, width))
    return ModelView(image, Box(0, 0, columns, rows))


def _pad(picture: Picture, policy: Pad, height: int, width: int) -> ModelView:
    rows, columns = picture.shape[:2]
    scale = min(height / rows, width / columns)
    inner_height = min(height, max(1, round(scale * rows)))
    inner_width = min(width, max(1, round(scale * columns)))
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    canvas = np.full((height, width, 3), policy.fill, np.uint8)
    inner = _scale(picture, policy.interpolation, inner_height, inner_width)
    canvas[top : top + inner_height, left : left + inner_width] = inner
    # One canvas pixel is this many original pixels; the two differ by the rounding of the inner size.
    across, down = columns / inner_width, rows / inner_height
    return ModelView(_planes(canvas), Box(-left * across, -top * down, width * across, height * down))


def _scale(picture: Picture, interpolation: Interpolation, height: int, width: int) -> Picture:
    source = PIL.Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(source.resize((width, height), _FILTERS[interpolation]))


def _planes(picture: Picture) -> Image:
    """``[H, W, 3]`` in [0, 255] to ``[3, H, W]`` in [0, 1]."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1), dtype=np.float32) / np.float32(255)
