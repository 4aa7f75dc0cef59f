"""What every contender is given: one model, one image, one class, and how much work to do."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Run: TypeAlias = Callable[[], NDArray[Any]]
"""Does the work once and returns the answer as an array."""

Contender: TypeAlias = "Callable[[Case], Run]"
"""Loads and warms whatever is not part of the work, as a user of a long-lived process would."""


@dataclass(frozen=True, slots=True)
class Case:
    """A row of the benchmark.

    Args:
        folder: Of the model: ``model.onnx`` (RGB in [0, 1] to logits), ``weights.pt``, ``bundles/``, ``image.npy``.
        architecture: Its name.
        target: The class that is explained.
        counts: How much work: ``steps``, ``samples``, ``stride``, ``masks``, ``intervals``.
        threads: Of every contender.
    """

    folder: Path
    architecture: str
    target: int
    counts: dict[str, int]
    threads: int

    @classmethod
    def read(cls, folder: Path, counts: dict[str, int], threads: int) -> "Case":
        """Read the case that the driver names."""
        facts = json.loads((folder / "facts.json").read_text())
        return cls(folder, facts["architecture"], facts["target"], counts, threads)

    @property
    def onnx(self) -> Path:
        """The classifier as a file."""
        return self.folder / "model.onnx"

    @property
    def image(self) -> NDArray[np.float32]:
        """``[3, H, W]``, RGB in [0, 1]."""
        image: NDArray[np.float32] = np.load(self.folder / "image.npy")
        return image

    @property
    def saliency(self) -> NDArray[np.float32]:
        """``[H, W]``: the map that deletion, insertion and ROAD judge; without ties."""
        saliency: NDArray[np.float32] = np.load(self.folder / "saliency.npy")
        return saliency


WINDOW = 32
"""Side of the occluding window, in pixels."""

CELLS = 8
"""Of a RISE mask, per side."""

KEEP = 0.5
"""The probability that a cell of a RISE mask is kept."""

DEVIATION = 0.15
"""Of SmoothGrad's noise, in units of intensity."""

PERCENTILES = (20, 40, 60, 80)
"""Of the pixels, removed by ROAD."""

INTERVALS = 28
"""Of a deletion curve in the row of the receipt: a whole number of rows of 224 pixels each, as every library needs."""

CELLS_CURVE = 10
"""Points of the full receipt's most-relevant-first curve over its cells, that of the whole image left out."""


def metric(
    forwards: int, *, deletion: float = np.nan, insertion: float = np.nan, cells: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """Lay out what a metric of the row of the receipt answers, so that whatever two of them both say is compared.

    Args:
        forwards: Images that the model classified for it.
        deletion: Area under the curve of single pixels painted black, most relevant first.
        insertion: Area under the curve of single pixels shown on black, most relevant first.
        cells: ``[CELLS_CURVE]``: the probability while cells are painted black, most relevant first.

    Examples:
        >>> metric(56, deletion=0.25)[:3].tolist()
        [56.0, 0.25, nan]
    """
    curve = np.full(CELLS_CURVE, np.nan) if cells is None else np.asarray(cells, np.float64)
    return np.concatenate([[forwards, deletion, insertion], curve])
