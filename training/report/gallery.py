"""The maps of the arms, side by side."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from training.maps import read_maps
from training.report.document import Block, Figure, Heading, Paragraph
from training.report.figures import side_by_side
from training.report.results import Results


def gallery(results: Results, folder: Path, *, show_pictures: bool) -> Iterator[Block]:
    """Draw one figure per explainer: a row per picture, a column per arm, all of the first seed.

    Args:
        results: What was evaluated.
        folder: Where the figures go.
        show_pictures: Whether to show the pictures too; their licence may forbid to pass them on.
    """
    seed = results.seeds(results.arms[0])[0]
    kept = {
        arm: read_maps(results.experiment.runs[arm, seed].output)
        for arm in results.arms
        if seed in results.seeds(arm)
    }
    found = {arm: maps for arm, maps in kept.items() if maps is not None}
    if not found:
        return
    yield Heading("Maps side by side")
    yield Paragraph(
        f"Pictures spread evenly over the test part, none chosen by hand, seed {seed}; the true class is explained. "
        "Magnitudes, every map on its own scale from 0. What a map looks like says nothing about how faithful it is."
    )
    pictures = [picture.astype(np.float32) / 255 for picture in next(iter(found.values())).pictures]
    for explainer in results.explainers:
        maps = {
            arm: [np.abs(one).astype(np.float32) for one in shown.maps[explainer]]
            for arm, shown in found.items()
        }
        file = f"{results.experiment.name}-maps-{explainer}.png"
        side_by_side(pictures, maps, folder / file, show_images=show_pictures)
        yield Figure(file, f"{explainer} under every arm")
