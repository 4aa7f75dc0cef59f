"""Figures of a report."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import PIL.Image
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from service.arrays import Image, SaliencyMap

mpl.rcParams["svg.hashsalt"] = "saliserve"  # the same figure gives the same file

Point = tuple[float, float]

DOTS_PER_INCH = 80


def frontier(points: Mapping[str, Sequence[Point]], axes: tuple[str, str], path: Path) -> None:
    """Plot every run of every arm: one colour per arm, one mark per seed.

    Args:
        points: By arm.
        axes: What is on them.
        path: An SVG file.
    """
    canvas = Canvas(figsize=(6, 4.2))
    plot = canvas.subplots()
    for arm, runs in points.items():
        across, up = zip(*runs, strict=True)
        plot.scatter(across, up, label=arm, s=40)
    plot.set_xlabel(axes[0])
    plot.set_ylabel(axes[1])
    plot.legend(fontsize=8)
    plot.grid(alpha=0.3)
    canvas.tight_layout()
    canvas.savefig(path, metadata={"Date": None})


def side_by_side(
    images: Sequence[Image], maps: Mapping[str, Sequence[SaliencyMap]], path: Path, *, show_images: bool
) -> None:
    """Show the maps of several networks, one row per picture.

    Every map has its own scale, from 0 to its largest value.

    Args:
        images: ``[3, H, W]`` each.
        maps: By network, one per picture.
        path: A PNG file.
        show_images: Whether the first column shows the pictures; their licence may forbid to pass them on.
    """
    columns = len(maps) + show_images
    canvas = Canvas(figsize=(1.6 * columns, 1.7 * len(images) + 0.3))
    cells = canvas.subplots(len(images), columns, squeeze=False)
    for row, image in enumerate(images):
        shown: list[NDArray[np.float32]] = [image.transpose(1, 2, 0)] if show_images else []
        shown += [column[row] for column in maps.values()]
        for cell, values in zip(cells[row], shown, strict=True):
            cell.imshow(values, cmap="magma")
            cell.axis("off")
    titles = (["picture"] if show_images else []) + list(maps)
    for cell, title in zip(cells[0], titles, strict=True):
        cell.set_title(title, fontsize=9)
    canvas.tight_layout()
    drawn = io.BytesIO()
    canvas.savefig(drawn, dpi=DOTS_PER_INCH, metadata={"Software": None})
    with PIL.Image.open(drawn) as picture:
        # A palette is a third of the size, and shows the same: the colour map has 256 colours.
        picture.convert("RGB").quantize(256).save(path, optimize=True)
