"""The panel of pixels, and maps that are made twice."""

import numpy as np
import pytest
from numpy.typing import NDArray

from service.explain.explanation import Explanation
from service.explain.method import Parameters
from service.explain.methods import METHODS
from service.explain.subject import Subject
from service.faithfulness.measures.pixels import pixel_forwards, pixels_plan
from service.faithfulness.measures.repeatability import (
    OTHER_BASELINE,
    Repeatability,
    agreement,
    repeatability_plan,
    repeats,
)
from service.faithfulness.protocol import FAST
from service.faithfulness.receipt import receipt_plan
from service.imaging.baselines import BASELINES
from service.runtime.drive import drive
from service.runtime.plan import Plan

RNG = np.random.default_rng(3)


def test_where_a_cell_is_a_pixel_the_panel_of_pixels_is_the_panel_of_cells(
    subject: Subject, evidence: NDArray[np.float32]
):
    saliency = (evidence * subject.pixels).sum(axis=0)
    receipt = drive(receipt_plan(subject, saliency, protocol=FAST), subject.model)
    clear = receipt.panels[0].clear_probability
    plan = pixels_plan(subject, saliency, FAST.operators, steps=FAST.steps, clear_probability=clear)
    found = drive(plan, subject.model)
    assert found.forwards == pixel_forwards(len(FAST.operators), FAST.steps)
    for score, panel in zip(found.operators, receipt.panels, strict=True):
        assert score.operator == panel.operator.name
        assert score.morf == pytest.approx(panel.map.morf)
        assert score.srg == pytest.approx(panel.map.srg)
        assert score.srg == pytest.approx(score.mrg + score.lrg)
        assert 0 <= score.auc_random <= 1


def test_the_same_map_agrees_wholly_and_noise_not_at_all():
    one, other = RNG.standard_normal((2, 40, 40)).astype(np.float32)
    same, noise = agreement(one, 2 * one), agreement(one, other)
    assert (same.spearman, same.top_tenth_overlap) == (1, 1)
    assert noise.spearman is not None
    assert abs(noise.spearman) < 4 / 40  # four standard errors: 1 / sqrt(1600)
    assert noise.top_tenth_overlap == pytest.approx(0.1 / 1.9, abs=0.05)
    assert agreement(one, np.zeros_like(one)).spearman is None


def repeated(subject: Subject, name: str, **parameters: object) -> Repeatability:
    method = METHODS[name]
    chosen = method.parameters(**parameters)
    made: list[tuple[int, Parameters]] = []

    def explain(subject: Subject, parameters: Parameters) -> Plan[Explanation]:
        made.append((subject.seed, parameters))
        return method.plan(subject, parameters)

    saliency = drive(method.plan(subject, chosen), subject.model).map
    found = drive(repeatability_plan(subject, saliency, method, chosen, explain), subject.model)
    assert len(made) == repeats(method, chosen)
    return found


def test_a_method_that_draws_and_replaces_nothing_is_not_made_again(subject: Subject):
    assert repeated(subject, "gradient") == Repeatability(None, None, "", 0)


def test_noise_averaged_over_a_linear_model_does_not_depend_on_the_seed(subject: Subject):
    """The gradient of a linear model is the same under all noise; sums of 20 equal float32 may round apart."""
    found = repeated(subject, "smooth_grad", samples=20)
    assert found.second_seed is not None
    assert found.second_seed.spearman == pytest.approx(1, abs=1e-3)
    assert found.second_baseline is None
    assert found.forwards == 20


def test_occlusion_of_a_linear_model_depends_on_the_baseline_as_the_closed_form_says(
    subject: Subject, evidence: NDArray[np.float32]
):
    """Covering one pixel takes weight * (image - baseline) from the logit."""
    found = repeated(subject, "occlusion", window=1, stride=1, baseline="black")
    other = OTHER_BASELINE["black"]
    maps = [
        (evidence * (subject.pixels - BASELINES[name](subject.pixels))).sum(axis=0)
        for name in ("black", other)
    ]
    assert found.baseline == other
    assert found.second_seed is None
    assert found.second_baseline is not None
    assert found.second_baseline.spearman == pytest.approx(agreement(*maps).spearman, abs=1e-4)
