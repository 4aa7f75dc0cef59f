"""Magnitudes on linear models, where a map can be exactly right; and against slow literal readings of the papers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from captum.metrics import infidelity
from numpy.typing import NDArray

from service.explain.subject import Subject
from service.faithfulness.grid import Grid
from service.faithfulness.measures.magnitude import mu_fidelity, normalised_infidelity, saco
from service.faithfulness.measures.magnitude_plan import (
    GROUPS,
    SUBSETS,
    Magnitudes,
    magnitude_forwards,
    magnitude_plan,
    random_subsets,
    rank_groups,
)
from service.faithfulness.operators.registry import OPERATORS
from service.runtime.drive import drive
from tests.tiny import linear_model, load_tiny

RNG = np.random.default_rng(8)
SIDE = 14
GRID = Grid.over(SIDE, SIDE, rows=SIDE, columns=SIDE)

# Sums of 588 products of size about 0.05 in float32, relative to losses of size about 0.3.
TOLERANCE = 588 * 0.05 * float(np.finfo(np.float32).eps) / 0.3


def literal_saco(salience: NDArray[np.float64], losses: NDArray[np.float64]) -> float:
    """Algorithm 1 of the paper, pair by pair; ties of losses, which it counts for the map, are not drawn here."""
    numerator = denominator = 0.0
    by_salience = np.argsort(-salience)
    for place, i in enumerate(by_salience):
        for j in by_salience[place + 1 :]:
            weight = salience[i] - salience[j]
            numerator += weight if losses[i] >= losses[j] else -weight
            denominator += abs(weight)
    return numerator / denominator


def test_saco_is_the_papers_algorithm():
    for _ in range(20):
        salience, losses = RNG.standard_normal((2, GROUPS))
        assert saco(salience, losses) == pytest.approx(literal_saco(salience, losses), abs=1e-12)


def test_saco_of_a_map_that_knows_nothing_is_0_on_average():
    """Swapping two groups' losses negates their pair, so the mean over random salience is 0: four standard errors."""
    losses = RNG.random(GROUPS)
    found = np.array([saco(RNG.standard_normal(GROUPS), losses) for _ in range(2_000)])
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(len(found))


def test_a_model_that_ignores_the_image_gives_no_map_credit():
    """The published algorithm would give 1."""
    assert saco(np.arange(4.0), np.zeros(4)) == 0
    assert literal_saco(np.arange(4.0), np.zeros(4)) == 1


def test_infidelity_is_captums_over_the_squared_losses():
    """Captum's optimal scaling, on a model that is not linear; ours is its value as a share of E[loss^2]."""
    weight = torch.from_numpy(RNG.standard_normal(12))
    image = torch.from_numpy(RNG.random((1, 12)))

    def model(images: torch.Tensor) -> torch.Tensor:
        return torch.tanh(images @ weight)

    taken = torch.from_numpy((RNG.random((40, 12)) < 0.4).astype(float))
    saliency = weight * image + 0.3 * torch.from_numpy(RNG.standard_normal((1, 12)))

    def perturb(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return taken, images - taken * images

    captums = infidelity(model, perturb, image, saliency, n_perturb_samples=40, normalize=True)
    sums = (taken * saliency).sum(1).numpy()
    losses = (model(image) - model(image - taken * image)).numpy()
    expected = float(captums) / float(np.mean(losses**2))
    assert normalised_infidelity(sums, losses) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-12, 0.5, 1e12])
def test_infidelity_of_the_exact_map_is_0_at_any_scale_and_1_upside_down(scale: float):
    losses = RNG.standard_normal(30)
    assert normalised_infidelity(scale * losses, losses) == pytest.approx(0, abs=1e-30)
    assert normalised_infidelity(-scale * losses, losses) == 1
    assert normalised_infidelity(np.zeros(30), losses) == 1
    assert normalised_infidelity(losses, np.zeros(30)) is None


def test_mu_fidelity_is_1_and_minus_1_for_right_and_wrong_sums():
    losses = RNG.standard_normal(30)
    assert mu_fidelity(3 * losses + 1, losses) == pytest.approx((1, 1))
    assert mu_fidelity(-(losses**3), losses)[1] == pytest.approx(-1)


@pytest.fixture
def noiseless() -> list[str]:
    """Operators that remove each cell in a way that does not depend on the others."""
    return [name for name in OPERATORS if name != "road"]


def measured(subject: Subject, worth: NDArray[np.float64], name: str) -> Magnitudes:
    return drive(magnitude_plan(subject, worth, GRID, [name]), subject.model)


def test_the_exact_map_of_a_linear_model_is_perfect_and_its_reverse_the_worst(
    subject: Subject, evidence: NDArray[np.float32], noiseless: list[str]
):
    """Removing a cell takes weight * (image - replacement) from the logit, whatever else is removed."""
    for name in noiseless:
        stage = OPERATORS[name].prepare(subject, GRID)(np.ones((1, GRID.size), np.bool_))
        replacement = stage.program(stage.inputs)["images"].numpy()[0]
        worth = (evidence.astype(np.float64) * (subject.pixels - replacement)).sum(axis=0).ravel()
        found = measured(subject, worth, name)
        (exact,), (reverse,) = found.operators, measured(subject, -worth, name).operators
        assert found.forwards == magnitude_forwards(1)
        assert exact.operator == name
        assert exact.saco == 1
        assert exact.mu_fidelity == pytest.approx(1, abs=TOLERANCE)
        assert exact.mu_fidelity_rank == pytest.approx(
            1, abs=1e-3
        )  # two losses may round to each other's order
        assert exact.normalised_infidelity == pytest.approx(0, abs=TOLERANCE)
        assert reverse.saco == -1
        assert reverse.mu_fidelity == pytest.approx(-1, abs=TOLERANCE)
        assert reverse.normalised_infidelity == 1


def test_a_scale_changes_no_magnitude_and_a_power_does(subject: Subject, evidence: NDArray[np.float32]):
    """Which is what curves cannot see: the order of the cells is the same for all three."""
    worth = (evidence * subject.pixels).sum(axis=0).ravel().astype(np.float64)
    exact, scaled, cubed = (
        measured(subject, one, "black").operators[0] for one in (worth, 7 * worth, worth**3)
    )
    assert scaled.normalised_infidelity == pytest.approx(exact.normalised_infidelity, abs=1e-12)
    assert cubed.normalised_infidelity is not None
    assert cubed.normalised_infidelity > 0.05


def test_groups_and_subsets_partition_and_share():
    groups = rank_groups(RNG.permutation(196), GROUPS)
    np.testing.assert_array_equal(groups.sum(axis=0), 1)
    assert set(groups.sum(axis=1)) == {19, 20}
    subsets = random_subsets(196, RNG)
    assert subsets.shape == (SUBSETS, 196)
    assert set(subsets.sum(axis=1)) == {39}
    assert rank_groups(np.array([1, 0]), GROUPS).shape == (2, 2)
    assert random_subsets(2, RNG).sum() == SUBSETS


def test_a_deaf_model_has_no_magnitudes(bright: NDArray[np.float32], tmp_path: Path):
    deaf = load_tiny(linear_model(np.zeros((2, 3, SIDE, SIDE), np.float32), np.ones(2, np.float32)), tmp_path)
    (found,) = measured(Subject.of(deaf, bright, target=1), np.arange(196.0), "black").operators
    assert (found.saco, found.mu_fidelity, found.normalised_infidelity) == (0, None, None)
