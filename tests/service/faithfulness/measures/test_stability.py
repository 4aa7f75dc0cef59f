"""Stability against Captum's, and on maps whose change is known."""

import numpy as np
import pytest
import torch
from captum.metrics import sensitivity_max
from numpy.typing import NDArray

from service.explain.explanation import Explanation
from service.explain.methods import METHODS
from service.explain.subject import Subject
from service.faithfulness.measures.stability import (
    DRAWS,
    LEAST_MAGNITUDE,
    RADIUS,
    max_sensitivity,
    nearby,
    relative_output_stability,
    stability_plan,
)
from service.runtime.drive import drive
from service.runtime.model import LoadedModel
from service.runtime.plan import MicroBatch, Plan

RNG = np.random.default_rng(13)


def test_max_sensitivity_is_captums():
    """On the same draws: Captum asks for perturbed copies and gets ours."""
    image = RNG.random((1, 3, 4, 4)).astype(np.float32)
    draws = image + RNG.uniform(-RADIUS, RADIUS, (DRAWS, 3, 4, 4)).astype(np.float32)

    def explain(images: torch.Tensor) -> torch.Tensor:
        return (images**3).sum(1, keepdim=True)

    theirs = sensitivity_max(
        lambda images: tuple(map(explain, images)),
        (torch.from_numpy(image),),
        perturb_func=lambda *_: (torch.from_numpy(draws),),
        n_perturb_samples=DRAWS,
    )
    maps = list(explain(torch.from_numpy(draws)).numpy())
    ours = max_sensitivity(explain(torch.from_numpy(image)).numpy()[0], maps)
    assert ours == pytest.approx(float(theirs), rel=1e-5)  # Captum's norms are float32


def test_draws_stay_in_the_ball_and_in_the_picture():
    pixels = RNG.random((3, 5, 5)).astype(np.float32)
    draws = nearby(pixels, seed=4)
    assert len(draws) == DRAWS
    for one in draws:
        assert np.abs(one - pixels).max() <= RADIUS * 1.001
        assert 0 <= one.min() <= one.max() <= 1
    np.testing.assert_array_equal(draws[0], nearby(pixels, seed=4)[0])
    assert np.abs(draws[0] - draws[1]).max() > 0


def test_output_stability_is_the_literal_formula_and_leaves_out_changed_classes():
    saliency = RNG.uniform(0.5, 1, (3, 3)).astype(np.float32)
    maps = [saliency + RNG.standard_normal((3, 3)).astype(np.float32) for _ in range(3)]
    logits = np.array([2.0, 1.0])
    moved = [np.array([2.5, 1.0]), np.array([2.0, 0.0]), np.array([0.0, 1.0])]
    ratios = []
    for other, there in zip(maps[:2], moved[:2], strict=True):
        squares = [
            ((b - a) / a) ** 2 for a, b in zip(saliency.ravel().tolist(), other.ravel().tolist(), strict=True)
        ]
        ratios.append(sum(squares) ** 0.5 / np.sqrt(((there - logits) ** 2).sum()))
    assert relative_output_stability(saliency, maps, logits, moved) == pytest.approx(max(ratios), rel=1e-9)
    assert relative_output_stability(saliency, maps[2:], logits, moved[2:]) is None


def test_a_pixel_near_zero_does_not_decide():
    """The published formula would give 1e6 here."""
    saliency, other = np.array([[1, 1e-9]], np.float32), np.array([[1, 1e-3]], np.float32)
    found = relative_output_stability(saliency, [other], np.array([0.0]), [np.array([1.0])])
    assert found == pytest.approx(1e-3 / LEAST_MAGNITUDE, rel=1e-4)


def test_a_map_of_zeros_has_no_stability():
    zeros = np.zeros((2, 2), np.float32)
    assert max_sensitivity(zeros, [zeros + 1]) is None
    assert relative_output_stability(zeros, [zeros + 1], np.zeros(2), [np.ones(2)]) is None


def test_the_gradient_of_a_linear_model_is_perfectly_stable_and_image_times_gradient_moves_with_the_image(
    linear: LoadedModel, bright: NDArray[np.float32]
):
    """The gradient is the weight everywhere; times the image, it changes by weight * noise."""
    subject = Subject.of(linear, bright, target=1, seed=3)
    logits = linear.run(MicroBatch(subject.image, 1))["logits"].numpy()[0]
    found = {}
    for name in ("gradient", "input_x_gradient"):
        method = METHODS[name]

        def explain(pixels: NDArray[np.float32], method: object = method) -> Plan[Explanation]:
            near = Subject.of(linear, pixels, target=1, seed=3)
            return method.plan(near, method.parameters())  # type: ignore[attr-defined, no-any-return]

        saliency = drive(explain(bright), linear).map
        found[name] = drive(stability_plan(subject, saliency, logits, explain), linear)
    assert found["gradient"].max_sensitivity == 0
    assert found["gradient"].forwards == 2 * DRAWS
    assert found["input_x_gradient"].max_sensitivity is not None
    assert 0 < found["input_x_gradient"].max_sensitivity < 2 * RADIUS / bright.mean()
