"""The table of parities, on models and images small enough for a test."""

import warnings
from pathlib import Path
from statistics import median

import pytest

from scripts.gradient_parity import EXPORTERS, Exported, Result, keep, measure, noise, torch_gradients
from scripts.gradients_page import parity_table
from scripts.parity_models import MODELS, Candidate, build

SIDE, IMAGES = 64, 5


@pytest.mark.parametrize("name", ["plain CNN", "SqueezeNet 1.1"])
def test_our_gradient_is_as_near_to_float64_as_pytorchs_own(name: str, tmp_path: Path) -> None:
    """From both exporters; within twice PyTorch's error.

    Medians, because a gate of a ReLU within rounding of zero may flip in either engine on a single image.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporters' deprecations
        candidate = Candidate(MODELS[name].make, SIDE)
        result = measure(name, candidate, images=IMAGES, seed=0, kept=tmp_path / "kept.npz")
    assert set(result.exported) == set(EXPORTERS)
    for exporter, found in result.exported.items():
        assert found.failure == ""
        assert len(found.errors) == len(result.theirs) == IMAGES
        assert median(found.errors) <= 2 * median(result.theirs), exporter
    assert parity_table([result]).count("\n") == 1 + len(EXPORTERS)


def test_gates_are_told_from_rounding():
    """Three of four images agree to rounding in both engines, at 2:1; on the last only PyTorch took another gate."""
    exported = Exported(nodes=(5, 9), build_s=0.5, errors=(2e-7, 4e-7, 6e-7, 3e-7))
    result = Result("net", 0, (1e-7, 2e-7, 3e-7, 0.01), dict.fromkeys(EXPORTERS, exported))
    for row in parity_table([result]).splitlines()[2:]:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[2:] == ["4", "5 → 9", "0.5", "3.5e-07", "2.5e-07", "1.4", "0%, 25%", "2"]


def test_pytorchs_gradients_are_computed_once(tmp_path: Path) -> None:
    """They take most of the time. Here what is kept is twice the gradient, so that every error is a half."""
    kept = tmp_path / "kept.npz"
    candidate = Candidate(MODELS["plain CNN"].make, 32)
    model = build(candidate, 0)
    exact, rounded, targets = torch_gradients(model, noise(2, 32, 0))
    keep(kept, (2 * exact, rounded, targets))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = measure("plain CNN", candidate, images=2, seed=0, kept=kept)
    assert result.theirs == pytest.approx((0.5, 0.5), abs=1e-5)
    assert result.exported[EXPORTERS[0]].errors == pytest.approx((0.5, 0.5), abs=1e-5)
