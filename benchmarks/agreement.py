"""How far another library's answer is from ours."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_RANDOM = frozenset({"smooth_grad", "rise"})
"""Everybody draws their own noise or masks: only the correlation can be compared."""


def agreement(work: str, theirs: NDArray[Any], ours: NDArray[Any]) -> dict[str, float]:
    """Compare two answers to the same question.

    Maps are compared by their correlation and, where nothing is random, by the largest difference as a share
    of our largest value; curves by the larger difference of the two areas under them; metrics by the largest difference
    of the numbers that both of them state.

    Args:
        work: What was asked.
        theirs: As their library returns it.
        ours: As ours does.

    Examples:
        >>> agreement("gradient", np.array([[0.0, 1.0], [2.0, 4.2]]), np.array([[0.0, 1.0], [2.0, 4.0]]))
        {'correlation': 0.99965, 'largest_difference': 0.05}
    """
    if work == "deletion_insertion":
        return {"area_difference": _rounded(np.abs(_areas(theirs) - _areas(ours)).max())}
    if work == "receipt":
        apart = np.abs(theirs[1:] - ours[1:])
        return {"largest_difference": _rounded(np.nanmax(apart))} if np.isfinite(apart).any() else {}
    if work == "road":
        return {"score_difference": _rounded(np.abs(theirs.ravel()[0] - road_combined(ours)))}
    if theirs.shape != ours.shape:
        return {}
    if work == "grad_cam" and theirs.min() >= 0:  # others cut off what speaks against the class, and rescale
        ours = np.maximum(ours, 0)
        theirs = theirs * (ours.max() / max(theirs.max(), np.finfo(np.float64).tiny))
    found = {"correlation": _rounded(np.corrcoef(theirs.ravel(), ours.ravel())[0, 1])}
    if work not in _RANDOM:
        found["largest_difference"] = _rounded(np.abs(theirs - ours).max() / np.abs(ours).max())
    return found


def road_combined(curves: NDArray[Any]) -> float:
    """pytorch-grad-cam's ROADCombined of our curves ``[2, 6]``: half the mean of LeRF minus MoRF at 20 to 80 %.

    Examples:
        >>> road_combined(np.array([[1.0, 0.4, 0.3, 0.2, 0.1, 0.0], [0.0, 0.6, 0.7, 0.8, 0.9, 1.0]]))
        0.25
    """
    morf, lerf = curves[0, 1:-1], curves[1, ::-1][1:-1]
    return _rounded((lerf - morf).mean() / 2)


def _areas(answer: NDArray[Any]) -> NDArray[np.float64]:
    """Areas under the deletion and the insertion curve; some libraries answer with nothing else."""
    values = np.asarray(answer, np.float64)
    if values.ndim == 2:
        return np.asarray(np.trapezoid(values, axis=1) / (values.shape[1] - 1), np.float64)
    return values.ravel()[:2]


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
