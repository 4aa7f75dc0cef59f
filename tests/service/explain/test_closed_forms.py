"""Every method on models whose explanation is known with pencil and paper."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.errors import ExplanationError, OptionError
from service.explain.class_activation import bilinear
from service.explain.explanation import Explanation
from service.explain.method import Parameters
from service.explain.methods import METHODS
from service.explain.subject import Subject
from service.imaging.baselines import black, channel_mean
from service.runtime.drive import drive
from service.runtime.limits import within
from service.runtime.model import LoadedModel
from service.runtime.plan import DeadlineReached
from tests.tiny import conv_model, linear_model, load_tiny

SIZE = 8
CLASSES = 4
RNG = np.random.default_rng(7)
WEIGHT = RNG.standard_normal((CLASSES, 3, SIZE, SIZE)).astype(np.float32)
BIAS = RNG.standard_normal(CLASSES).astype(np.float32)
PIXELS = RNG.random((3, SIZE, SIZE), dtype=np.float32)
KERNEL = RNG.standard_normal((5, 3, 3, 3)).astype(np.float32)
HEAD = RNG.standard_normal((CLASSES, 5)).astype(np.float32)

# Sums of up to 192 products of size about 1, each rounded once, and the rounding of the answer.
TOLERANCE = 192 * float(np.finfo(np.float32).eps)


# Defaults are made for inputs of 224 pixels; these fit one of 8.
SMALL = {
    "occlusion": {"window": 4, "stride": 2},
    "noise_sensitivity": {"stride": 4, "deviation": 2},
    "rise": {"masks": 50},
}


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_tiny(linear_model(WEIGHT, BIAS), tmp_path_factory.mktemp("linear"))


@pytest.fixture(scope="module")
def conv(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_tiny(conv_model(KERNEL, HEAD, size=SIZE), tmp_path_factory.mktemp("conv"))


def explain(subject: Subject, method: str, **options: object) -> Explanation:
    chosen = METHODS[method]
    parameters: Parameters = chosen.parameters.model_validate(options)
    return drive(chosen.plan(subject, parameters), subject.model)


def test_the_gradient_of_a_linear_model_is_its_weight(linear: LoadedModel):
    explanation = explain(Subject.of(linear, PIXELS, target=2), "gradient")
    np.testing.assert_array_equal(explanation.map, np.abs(WEIGHT[2]).max(axis=0))
    assert explanation.forwards == 1


def test_a_contrast_is_the_gradient_of_the_difference(linear: LoadedModel):
    explanation = explain(Subject.of(linear, PIXELS, target=2, contrast=0), "gradient")
    np.testing.assert_allclose(
        explanation.map, np.abs(WEIGHT[2] - WEIGHT[0]).max(axis=0), rtol=2 * np.finfo(np.float32).eps
    )


def test_two_images_have_two_gradients(conv: LoadedModel):
    """The classic failure of exported explainers is a map that is a constant of the graph."""
    one = explain(Subject.of(conv, PIXELS, target=1), "gradient")
    other = explain(Subject.of(conv, 1 - PIXELS, target=1), "gradient")
    assert np.abs(one.map - other.map).max() > 0.1 * one.map.max()


@pytest.mark.parametrize("steps", [1, 7])
def test_integrated_gradients_of_a_linear_model_are_exact_whatever_the_steps(linear: LoadedModel, steps: int):
    """The baseline is not zero, so image and (image - baseline) cannot be confused."""
    explanation = explain(
        Subject.of(linear, PIXELS, target=3), "integrated_gradients", steps=steps, baseline="channel_mean"
    )
    expected = (WEIGHT[3].astype(float) * (PIXELS - channel_mean(PIXELS))).sum(axis=0)
    np.testing.assert_allclose(explanation.map, expected, rtol=0, atol=TOLERANCE)
    assert explanation.completeness_gap == pytest.approx(0, abs=TOLERANCE)
    assert explanation.converged
    assert explanation.forwards == 2 + steps


def test_too_few_steps_are_tripled_until_the_gap_is_small(conv: LoadedModel):
    """A ReLU network bends along the path; each refinement keeps the points it has."""
    subject = Subject.of(conv, PIXELS, target=0)
    rough = explain(subject, "integrated_gradients", steps=1, maximum_steps=1, relative_gap=1e-9)
    fine = explain(subject, "integrated_gradients", steps=1, maximum_steps=243, relative_gap=1e-9)
    direct = explain(subject, "integrated_gradients", steps=243, maximum_steps=243, relative_gap=1e-9)
    assert not rough.converged
    assert "raise maximum_steps" in rough.warnings[0]
    assert abs(fine.completeness_gap or 0) < abs(rough.completeness_gap or 0)
    # Tripling reuses the old points: 243 gradients in all, and the same sum but for float64 rounding.
    assert fine.forwards == direct.forwards == 2 + 243
    np.testing.assert_allclose(fine.map, direct.map, rtol=2 * np.finfo(np.float32).eps)


def test_a_gap_of_rounding_is_none(conv: LoadedModel):
    """The blurred image of a single colour is that image but for a last place: nothing changes along the path."""
    flat = np.full_like(PIXELS, 0.3)
    for target in range(CLASSES):
        explanation = explain(
            Subject.of(conv, flat, target=target), "integrated_gradients", baseline="gaussian_blur"
        )
        assert explanation.converged
        assert explanation.forwards == 2 + 50


def test_integrated_gradients_do_not_depend_on_the_micro_batch(
    conv: LoadedModel, monkeypatch: pytest.MonkeyPatch
):
    """The pace is measured anew at every start; the answer must not change with it."""
    subject = Subject.of(conv, PIXELS, target=0)
    maps = []
    for size in (1, 4, 50):
        monkeypatch.setattr(LoadedModel, "micro_batch", lambda _self, _direction, size=size: size)
        maps.append(explain(subject, "integrated_gradients").map.tobytes())
    assert maps[0] == maps[1] == maps[2]


def test_grad_cam_is_the_weighted_sum_of_the_feature_maps(conv: LoadedModel):
    """Here the features have the image's size, and d logit_c / d A_k is head[c, k] / 64 everywhere."""
    target = 1
    explanation = explain(Subject.of(conv, PIXELS, target=target), "grad_cam")
    padded = np.pad(PIXELS.astype(float), ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    features = np.maximum(np.einsum("chwij,kcij->khw", windows, KERNEL.astype(float)), 0)
    expected = np.einsum("k,khw->hw", HEAD[target].astype(float) / SIZE**2, features)
    np.testing.assert_allclose(explanation.map, expected, rtol=0, atol=TOLERANCE)


def test_a_path_that_is_cut_short_says_by_what_and_what_it_cost(
    conv: LoadedModel, monkeypatch: pytest.MonkeyPatch
):
    """Ends 2, points 2, and 3 of the 4 that a refinement would add: the map is that of 2 points."""
    monkeypatch.setattr(LoadedModel, "micro_batch", lambda _self, _direction: 1)
    chosen, subject = METHODS["integrated_gradients"], Subject.of(conv, PIXELS, target=1)
    parameters = chosen.parameters.model_validate({"steps": 2, "maximum_steps": 6, "relative_gap": 1e-9})
    got = drive(within(chosen.plan(subject, parameters), forwards=7), conv)
    rough = explain(subject, "integrated_gradients", steps=2, maximum_steps=2, relative_gap=1e-9)
    assert got.warnings == ("max_forwards: the path could not be refined further",)
    assert (got.forwards, got.converged) == (7, False)
    assert got.map.tobytes() == rough.map.tobytes()


def test_baselines_that_did_not_fit_are_told(conv: LoadedModel):
    chosen, subject = METHODS["expected_gradients"], Subject.of(conv, PIXELS, target=1)
    parameters = chosen.parameters.model_validate({"steps": 1, "maximum_steps": 1, "relative_gap": 1e9})
    got = drive(within(chosen.plan(subject, parameters), forwards=7), conv)
    assert got.warnings == ("max_forwards: 2 of 3 baselines were used",)
    assert not got.converged


def test_a_baseline_that_was_broken_off_is_paid_for(conv: LoadedModel):
    """Two baselines are 3 passes each; of the third its ends, 2, were run, and its point did not fit."""
    chosen, subject = METHODS["expected_gradients"], Subject.of(conv, PIXELS, target=1)
    parameters = chosen.parameters.model_validate({"steps": 1, "maximum_steps": 1, "relative_gap": 1e9})
    got = drive(within(chosen.plan(subject, parameters), forwards=8), conv)
    assert (got.forwards, len(got.warnings)) == (8, 1)


def test_bilinear_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    coarse = RNG.standard_normal((7, 5)).astype(np.float32)
    ours = bilinear(224, 7) @ coarse @ bilinear(160, 5).T
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(coarse)[None, None].double(), (224, 160), mode="bilinear", align_corners=False
    )[0, 0]
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=16 * np.finfo(np.float32).eps)


def test_occlusion_of_a_linear_model_is_the_mean_fall_over_the_windows(linear: LoadedModel):
    """Window 3, stride 2 on 8 pixels: windows overlap, and the last ones overhang the border."""
    explanation = explain(
        Subject.of(linear, PIXELS, target=1), "occlusion", window=3, stride=2, baseline="black"
    )
    change = (WEIGHT[1].astype(float) * (PIXELS - black(PIXELS))).sum(axis=0)
    total, count = np.zeros((SIZE, SIZE)), np.zeros((SIZE, SIZE))
    for top in (0, 2, 4, 6):
        for left in (0, 2, 4, 6):
            inside = (slice(top, top + 3), slice(left, left + 3))
            total[inside] += change[inside].sum()
            count[inside] += 1
    np.testing.assert_allclose(explanation.map, total / count, rtol=0, atol=TOLERANCE)
    assert explanation.forwards == 1 + 16


def test_occlusion_at_its_deadline_returns_the_windows_done_so_far(linear: LoadedModel):
    subject = Subject.of(linear, PIXELS, target=1)
    plan = METHODS["occlusion"].plan(subject, METHODS["occlusion"].parameters(window=4, stride=4))
    batch = next(plan)
    for _ in range(3):  # the clear image and two windows
        batch = plan.send(linear.run(batch))
    with pytest.raises(StopIteration) as end:
        plan.throw(DeadlineReached())
    explanation: Explanation = end.value.value
    assert not explanation.converged
    assert explanation.forwards == 3
    assert explanation.warnings == ("deadline: 2 of 4 windows were covered",)
    assert np.count_nonzero(explanation.map) == 2 * 16


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 9, "stride": 1}, "window is 9 pixels; the model's input is 8 x 8"),
        ({"window": 3, "stride": 4}, "stride 4 is larger than window 3"),
    ],
)
def test_windows_that_do_not_fit_are_refused(linear: LoadedModel, options: dict[str, int], message: str):
    with pytest.raises(OptionError, match=message):
        explain(Subject.of(linear, PIXELS, target=0), "occlusion", **options)


def test_a_map_that_is_not_finite_is_refused(conv: LoadedModel):
    overflowing = np.full_like(PIXELS, 3e38)
    with pytest.raises(ExplanationError, match="64 of 64 pixels of the map are not finite"):
        explain(Subject.of(conv, overflowing, target=0), "grad_cam")


def test_the_cost_that_a_method_states_is_never_exceeded(conv: LoadedModel):
    usable = {name: method for name, method in METHODS.items() if method.direction in conv.directions}
    for name, method in usable.items():
        options = SMALL.get(name, {})
        parameters = method.parameters.model_validate(options)
        explanation = drive(method.plan(Subject.of(conv, PIXELS, target=0), parameters), conv)
        assert explanation.forwards <= method.forwards(SIZE, SIZE, parameters), name


def test_sigmoids_serve_labels_that_do_not_exclude_each_other(tmp_path: Path):
    model = load_tiny(linear_model(WEIGHT, BIAS), tmp_path, task="multi_label")
    subject = Subject.of(model, PIXELS, target=1)
    assert subject.scalars.program is model.programs.sigmoid_scalars
    assert replace(subject, contrast=2).scalars.program is model.programs.sigmoid_scalars
