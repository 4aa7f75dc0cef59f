"""What sparseness of the maps goes with."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from training.report.document import Block, Figure, Heading
from training.report.figures import frontier
from training.report.results import OPERATORS, Measure, Results, values


def frontiers(results: Results, folder: Path) -> Iterator[Block]:
    """Plot accuracy, confidence and faithfulness against sparseness, into *folder*."""
    yield Heading("Frontier")
    first = results.explainers[0]
    sparse = Measure("", "", "", ("explainers", first, "gini"))
    plots = {
        "accuracy": "test accuracy",
        "confidence": "mean confidence",
        "gain": "mean gain of the gradient map",
    }
    for name, label in plots.items():
        points = {
            arm: [(float(np.nanmean(values(run, sparse))), _height(run, name)) for run in results.of(arm)]
            for arm in results.arms
        }
        file = f"{results.experiment.name}-{name}.svg"
        frontier(points, (f"Gini of the {first} map (sparseness)", label), folder / file)
        yield Figure(file, f"{label} against sparseness, one mark per run")


def _height(run: Mapping[str, Any], name: str) -> float:
    if name != "gain":
        return float(run["test"][name])
    path = ("explainers", "gradient", "gains")
    gains = [values(run, Measure("", "", "", (*path, operator))) for operator in OPERATORS]
    return float(np.nanmean(np.concatenate(gains)))
