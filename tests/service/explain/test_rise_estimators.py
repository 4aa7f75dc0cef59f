"""The estimators on answers whose map is known, and the rule that says when there were enough masks."""

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from service.explain.convergence import MARGIN, agreement, suffices
from service.explain.grid_masks import GridMasks
from service.explain.rise_estimators import ESTIMATORS, Name, adjusted
from service.explain.rise_map import RiseMap
from service.explain.sampling import ROUND

SIDE, CELLS, KEEP = 32, 4, 0.5
ALL = np.arange(SIDE)


def draw(count: int, seed: int, *, paired: bool = False) -> GridMasks:
    return GridMasks.draw(SIDE, SIDE, cells=CELLS, keep=KEEP, count=count, seed=seed, paired=paired)


def smooth_weight() -> NDArray[np.float64]:
    """Evidence that comes and goes over the image, so that the map has both signs."""
    y, x = np.meshgrid(np.linspace(0, 3, SIDE), np.linspace(0, 5, SIDE), indexing="ij")
    return np.sin(y) * np.cos(x) / SIDE**2


def answers(masks: GridMasks, *, interaction: float) -> NDArray[np.float64]:
    """A model that adds up evidence, and where two regions are seen together gives a bonus."""
    seen = masks.at(ALL, ALL)
    linear = np.tensordot(seen, smooth_weight(), 2)
    together = (seen[:, 4:12, 4:12].mean(axis=(1, 2)) - KEEP) * (
        seen[:, 20:28, 18:26].mean(axis=(1, 2)) - KEEP
    )
    return 3 + linear + interaction * together


def true_map() -> NDArray[np.float64]:
    """``cov(f, mask) / keep``; the bonus is a product of centred terms and has none of its own."""
    down, right = draw(1, 0).covariance(ALL, ALL)
    covariance: NDArray[np.float64] = down @ smooth_weight() @ right.T
    return covariance / KEEP


def correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_masks_that_are_all_alike_say_nothing():
    """With few cells kept, a few masks may all be dark: there is nothing to regress on, and nothing to divide by."""
    weights = adjusted(np.zeros((20, 9)), np.arange(20.0))
    assert (weights.linear == 0).all()
    np.testing.assert_array_equal(weights.residual, np.arange(20.0) - 9.5)


@pytest.mark.parametrize("estimator", ["adjusted", "centred"])
def test_the_error_of_the_map_is_what_its_standard_error_says(estimator: Name):
    """Over thirty seeds the mean square of error / standard error is 1: within 30 %, as pixels move together."""
    ratios = []
    for seed in range(30):
        masks = draw(400, seed)
        values = answers(masks, interaction=1.0)
        got, error = RiseMap(masks, estimator).map(values)
        ratios.append(np.mean(((got - true_map()) / error) ** 2))
    assert np.mean(ratios) == pytest.approx(1, rel=0.3)


def test_so_it_is_of_pairs_of_opposites():
    """With answers that err by themselves, since nothing else is left of those above."""
    ratios = []
    for seed in range(30):
        masks = draw(800, seed, paired=True)
        noise = 0.01 * np.random.default_rng(seed).standard_normal(800)
        got, error = RiseMap(masks, "adjusted").map(answers(masks, interaction=1.0) + noise)
        ratios.append(np.mean(((got - true_map()) / error) ** 2))
    assert np.mean(ratios) == pytest.approx(1, rel=0.3)


def test_opposites_cancel_what_two_regions_have_only_together():
    """The bonus is the same for a mask and its opposite; half as many samples have a tenth of the error."""
    errors = {}
    for paired in (False, True):
        masks = draw(300, 1, paired=paired)
        got, error = RiseMap(masks, "adjusted").map(answers(masks, interaction=1.0))
        errors[paired] = error.mean()
    assert errors[True] < 0.1 * errors[False]
    assert correlation(got, true_map()) > 0.999


def test_every_second_mask_is_the_opposite_of_the_one_before():
    masks = draw(7, 3, paired=True)
    each = masks.at(ALL, ALL)
    np.testing.assert_allclose(each[:6:2] + each[1:6:2], 1, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(draw(20, 3, paired=True).first(7).grids, masks.grids)
    np.testing.assert_array_equal(draw(20, 3, paired=True).first(7).shifts, masks.shifts)
    assert len(masks) == 7


def test_the_published_estimator_is_the_same_map_plus_the_mean_answer():
    """At 20,000 masks, to five standard errors at the worst of 1,024 pixels."""
    masks = draw(20_000, 0)
    values = answers(masks, interaction=0.2)
    got, error = RiseMap(masks, "plain").map(values)
    deviations = (got - true_map() - values.mean()) / error
    assert np.abs(deviations).max() < 5
    assert np.sqrt(np.mean(deviations**2)) < 2


def test_an_additive_model_leaves_the_adjusted_estimator_nothing_to_sample():
    masks = draw(300, 1)
    values = answers(masks, interaction=0.0)
    errors = {name: RiseMap(masks, name).map(values)[1].mean() for name in ESTIMATORS}
    assert errors["adjusted"] < 0.1 * errors["centred"] < 0.1 * 0.1 * errors["plain"]
    got, _ = RiseMap(masks, "adjusted").map(values)
    assert correlation(got, true_map()) > 0.999


def test_each_residual_is_that_of_a_regression_without_its_mask():
    """Literally, forty times; the ridge is recovered as the one of the list that fits."""
    random = np.random.default_rng(5)
    features = random.standard_normal((40, 6))
    values = features @ np.array([1.0, -0.5, 0.3, 0, 0, 0]) + random.standard_normal(40)
    weights = adjusted(features, values)
    inputs, scalars = features - features.mean(axis=0), values - values.mean()
    scale = np.linalg.eigvalsh(inputs.T @ inputs).mean()
    candidates = []
    for ridge in scale * np.array([0.03, 0.1, 0.3, 1, 3, 10, 100]):
        residual, coefficients = np.empty(40), np.empty((40, 6))
        for left_out in range(40):
            kept = np.delete(np.arange(40), left_out)
            # The others, their own mean free, about the means of all: the intercept costs one degree of freedom.
            design = np.hstack([inputs[kept], np.ones((39, 1))])
            penalty = np.diag([ridge] * 6 + [0])
            solution = np.linalg.solve(design.T @ design + penalty, design.T @ scalars[kept])
            residual[left_out] = scalars[left_out] - np.append(inputs[left_out], 1) @ solution
            coefficients[left_out] = solution[:6]
        candidates.append((np.sum(residual**2), residual, coefficients.mean(axis=0)))
    _, residual, linear = min(candidates, key=lambda candidate: candidate[0])
    assert weights.linear.any()
    np.testing.assert_allclose(weights.residual, residual - residual.mean(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(weights.linear, linear, rtol=0, atol=1e-12)


def test_agreement_is_the_correlation_with_the_final_map():
    """Estimated from one run, it is right on average over runs, to 0.02."""
    estimated, real = [], []
    for seed in range(20):
        masks = draw(200, seed)
        values = answers(masks, interaction=1.0)
        got, error = RiseMap(masks, "adjusted").map(values)
        estimated.append(agreement(got, error))
        real.append(correlation(got, true_map()))
    assert np.mean(estimated) == pytest.approx(np.mean(real), abs=0.02)


@pytest.mark.parametrize(
    ("estimator", "paired"), [("adjusted", False), ("centred", False), ("adjusted", True)]
)
def test_who_stops_at_the_goal_has_reached_it(estimator: Name, *, paired: bool):
    """The error rate of the stopping rule: 60 runs, looking every round from 100 independent masks on.

    At a goal of 0.9, at most one run in ten may end below it, and none below 0.85. Without the margin more
    do: whoever looks again and again stops at a lucky moment.
    """
    goal, reached = 0.9, []
    for seed in range(60):
        masks = draw(2000, seed, paired=paired)
        # Pairs of opposites need answers that err by themselves; of the others nothing would be left.
        noise = 0.02 * np.random.default_rng(seed).standard_normal(2000) if paired else 0
        values = answers(masks, interaction=1.0) + noise
        estimate = RiseMap(masks, estimator)
        looks = (n for n in range(ROUND, 2001, ROUND) if estimate.independent(n) >= 100)
        stop = next(n for n in looks if suffices(estimate.agreement(values[:n]), goal))
        reached.append(correlation(estimate.map(values[:stop])[0], true_map()))
    assert np.mean(np.array(reached) < goal) <= 0.1
    assert min(reached) > 0.85
    assert MARGIN > 0


def test_the_memory_of_ten_thousand_masks_is_bounded():
    """At 224 pixels and to the last array that numpy allocates: 100 MB more than for a hundred masks at most."""
    peaks = {}
    for count in (100, 10_000):
        values = np.random.default_rng(0).random(count)
        tracemalloc.start()
        masks = GridMasks.draw(224, 224, cells=8, keep=KEEP, count=count, seed=0, paired=True)
        estimate = RiseMap(masks, "adjusted")
        estimate.agreement(values)
        estimate.map(values)
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[10_000] - peaks[100] < 100e6
