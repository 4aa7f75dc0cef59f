"""Remove by asking the neighbours: ROAD's noisy linear imputation."""

import numpy as np

from service.faithfulness.grid import Grid
from service.faithfulness.operators.operator import Operator, Removal
from service.faithfulness.streams import stream
from service.faithfulness.subject import ScoredSubject
from service.runtime.plan import Stage

_DEVIATION = 0.01
"""Of the noise, in pixel units: the authors' default."""


def _prepare(subject: ScoredSubject, grid: Grid) -> Removal:
    noise = _DEVIATION * stream(subject.seed, "road").standard_normal(subject.pixels.shape)
    device = subject.model.device
    shared = {
        "image": subject.image,
        "noise": device.upload(noise.astype(np.float32)[None]),
        "segments": device.upload(grid.segments),
    }
    return lambda removed: Stage(subject.model.programs.imputation, {**shared, "removed": removed})


ROAD = Operator(
    name="road",
    summary="each pixel the weighted mean of its 8 neighbours (linear system), plus seeded noise of deviation 0.01",
    prepare=_prepare,
)
"""Interpolation says less by the shape of its holes than a plain colour does, which is its reason to exist."""
