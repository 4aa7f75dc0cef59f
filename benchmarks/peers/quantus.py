"""Quantus: pixel flipping (deletion only, colour channels apart), its ROAD, and what is nearest to the receipt."""

from collections.abc import Callable
from typing import Any

import numpy as np
import quantus
import torch

from benchmarks.peers.architectures import load
from benchmarks.peers.case import CELLS_CURVE, INTERVALS, PERCENTILES, Case, Contender, Run, metric
from benchmarks.peers.passes import Passes

PACKAGE = "quantus"


def _given(case: Case) -> dict[str, Any]:
    torch.set_num_threads(case.threads)
    return {
        "model": load(case.architecture, case.folder / "weights.pt"),
        "x_batch": case.image[None],
        "y_batch": np.array([case.target]),
        "a_batch": np.broadcast_to(case.saliency, (1, 3, *case.saliency.shape)).copy(),
        "device": "cpu",
    }


_AS_IT_IS = {"abs": False, "normalise": False, "disable_warnings": True}
"""The signed map, whose values are ranks already."""

_CELL = 16
_SUBSETS = 60
"""As many as the magnitude measure asks for per operator."""


def _pixel_flipping(case: Case) -> Run:
    """Flip about as many times as a deletion curve has intervals; it wants a divisor of the number of pixels."""
    given = _given(case)
    pixels, wanted = case.saliency.size, given["x_batch"].size / case.counts["intervals"]
    divisors = [number for number in range(1, pixels + 1) if pixels % number == 0]
    flipped = min(divisors, key=lambda divisor: abs(divisor - wanted))

    def run() -> np.ndarray[Any, Any]:
        flipping = quantus.PixelFlipping(
            features_in_step=flipped,
            normalise=False,
            return_auc_per_sample=True,
            disable_warnings=True,
        )
        return np.asarray(flipping(**given, softmax=True), np.float64)

    return run


def _road(case: Case) -> Run:
    given = _given(case)

    def run() -> np.ndarray[Any, Any]:
        road = quantus.ROAD(percentages=list(PERCENTILES), normalise=False, disable_warnings=True)
        return np.array(list(road(**given, softmax=True).values()), np.float64)

    return run


def _as_metric(case: Case, score: Callable[..., Any], read: Callable[[float, Any], dict[str, Any]]) -> Run:
    """Run a metric of theirs on one image, and count what it asks.

    Args:
        case: As given.
        score: The metric.
        read: Finds in the probability of the whole image and in its answer what others say too.
    """
    given = _given(case) | {"a_batch": case.saliency[None, None]}
    image = torch.from_numpy(case.image)[None]
    clear = float(given["model"](image).softmax(1)[0, case.target])
    passes = Passes(given["model"])

    def run() -> np.ndarray[Any, Any]:
        [found] = score(**given, softmax=True)
        return metric(passes.taken(), **read(clear, np.asarray(found, np.float64)))

    return run


def _flipping_as_metric(case: Case) -> Run:
    """Its steps are of colour values: three of them are a step of whole pixels, of which it takes no larger one."""
    flipped = case.saliency.size // INTERVALS
    score = quantus.PixelFlipping(features_in_step=flipped, perturb_baseline=0.0, **_AS_IT_IS)

    def read(clear: float, curve: np.ndarray[Any, Any]) -> dict[str, Any]:
        return {"deletion": np.trapezoid([clear, *curve[2::3]]) / INTERVALS}

    return _as_metric(case, score, read)


def _selectivity(case: Case) -> Run:
    """Remove cells of 16 x 16 pixels one by one: the receipt's curve over its cells, with every step of it."""
    score = quantus.Selectivity(patch_size=_CELL, perturb_baseline=0.0, **_AS_IT_IS)

    def read(_: float, curve: np.ndarray[Any, Any]) -> dict[str, Any]:
        ends = np.rint(np.linspace(0, len(curve), CELLS_CURVE + 1)[1:]).astype(int)
        return {"cells": curve[ends - 1]}

    return _as_metric(case, score, read)


def _correlation(case: Case) -> Run:
    """Its subsets are its own draws, of single colour values: nobody else says the same number."""
    score = quantus.FaithfulnessCorrelation(
        nr_runs=_SUBSETS, subset_size=case.image.size // 5, perturb_baseline=0.0, **_AS_IT_IS
    )
    return _as_metric(case, score, lambda _clear, _found: {})


WORKS: dict[str, dict[str, Contender]] = {
    "deletion_insertion": {"Quantus PixelFlipping (deletion only)": _pixel_flipping},
    "road": {"Quantus ROAD": _road},
    "receipt": {
        "Quantus, Selectivity": _selectivity,
        "Quantus, PixelFlipping": _flipping_as_metric,
        "Quantus, FaithfulnessCorrelation": _correlation,
    },
}
