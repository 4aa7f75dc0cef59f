"""Noise sensitivity and Score-CAM against literal float64 sums."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from service.errors import OptionError
from service.explain.explanation import Explanation
from service.explain.methods import METHODS
from service.explain.noise_sensitivity import NoiseSensitivityParameters, disc_centres
from service.explain.score_cam import ScoreCamParameters
from service.explain.subject import Subject
from service.imaging.baselines import channel_mean, gaussian_blur
from service.runtime.drive import drive
from service.runtime.limits import within
from service.runtime.model import LoadedModel
from tests.tiny import conv_model, linear_model, load_tiny

SIZE = 10
RNG = np.random.default_rng(41)
WEIGHT = RNG.standard_normal((3, 3, SIZE, SIZE)).astype(np.float32)
KERNEL = RNG.standard_normal((6, 3, 3, 3)).astype(np.float32)
HEAD = (0.7 * RNG.standard_normal((5, 6))).astype(np.float32)
PIXELS = RNG.random((3, SIZE, SIZE), dtype=np.float32)
EPSILON = float(np.finfo(np.float32).eps)


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_tiny(linear_model(WEIGHT, np.zeros(3, np.float32)), tmp_path_factory.mktemp("linear"))


@pytest.fixture(scope="module")
def conv(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_tiny(conv_model(KERNEL, HEAD, size=SIZE), tmp_path_factory.mktemp("conv"))


def explain(
    model: LoadedModel, method: str, *, target: int = 1, forwards: int | None = None, **options: object
) -> Explanation:
    parameters = METHODS[method].parameters.model_validate(options)
    plan = METHODS[method].plan(Subject.of(model, PIXELS, target=target), parameters)
    return drive(within(plan, forwards=forwards), model)


def literal_features() -> NDArray[np.float64]:
    """``[6, H, W]``, by PyTorch in float64."""
    features = torch.nn.functional.conv2d(
        torch.from_numpy(PIXELS)[None].double(), torch.from_numpy(KERNEL).double(), padding=1
    ).relu()
    return np.asarray(features[0].numpy())


def literal_probability(image: NDArray[np.float64]) -> float:
    convolved = torch.nn.functional.conv2d(
        torch.from_numpy(image)[None], torch.from_numpy(KERNEL).double(), padding=1
    )
    logits = convolved.relu().mean(dim=(2, 3)) @ torch.from_numpy(HEAD).double().T
    return float(logits.softmax(dim=1)[0, 1])


def test_each_pixel_has_the_mean_fall_over_the_discs_weighed_by_their_blur(linear: LoadedModel):
    """On a linear model the fall of a disc is a sum that can be written down."""
    got = explain(linear, "noise_sensitivity", stride=4, deviation=2.0)
    centres = [(y, x) for y in (7 / 6, 4.5, 47 / 6) for x in (7 / 6, 4.5, 47 / 6)]
    assert np.allclose(disc_centres(SIZE, SIZE, 4), centres)
    change = (WEIGHT[1].astype(float) * (PIXELS - gaussian_blur(PIXELS))).sum(axis=0)
    total, weight = np.zeros((SIZE, SIZE)), np.zeros((SIZE, SIZE))
    for row, column in centres:
        disc = np.array(
            [[math.exp(-((y - row) ** 2 + (x - column) ** 2) / 8) for x in range(SIZE)] for y in range(SIZE)]
        )
        total += disc * (disc * change).sum()
        weight += disc
    # Logits are sums of 300 products of size about 1; a fall is the difference of two.
    np.testing.assert_allclose(got.map, total / weight, rtol=0, atol=2 * 300 * EPSILON)
    assert got.forwards == 1 + 9


def test_it_is_the_chosen_output_that_falls(linear: LoadedModel):
    """The published score sums over all outputs and would be the same for every target."""
    one, other = (
        explain(linear, "noise_sensitivity", target=target, stride=5, deviation=2) for target in (0, 2)
    )
    assert abs(np.corrcoef(one.map.ravel(), other.map.ravel())[0, 1]) < 0.9
    assert (one.map < 0).any()


def test_pixels_that_no_disc_reached_are_zero(linear: LoadedModel):
    """After one disc of deviation 0.5 the far corners are unknown, not infinite."""
    got = explain(linear, "noise_sensitivity", stride=2, deviation=0.5, forwards=2)
    assert not got.converged
    assert got.warnings == ("max_forwards: 1 of 25 discs were blurred",)
    assert 0 < np.count_nonzero(got.map) < SIZE**2


def test_discs_too_far_apart_are_refused(linear: LoadedModel):
    with pytest.raises(OptionError, match="stride 9 is more than four times deviation 2"):
        explain(linear, "noise_sensitivity", stride=9, deviation=2)
    for options in ({"stride": 0}, {"deviation": 0}, {"deviation": float("nan")}):
        with pytest.raises(ValidationError):
            NoiseSensitivityParameters.model_validate(options)


def test_score_cam_weighs_each_feature_map_by_the_rise_of_the_probability(conv: LoadedModel):
    """Literally: stretch a map to [0, 1], show the image through it, subtract the baseline's probability."""
    baseline = channel_mean(PIXELS).astype(float)
    dark = literal_probability(baseline)
    expected = np.zeros((SIZE, SIZE))
    for feature in literal_features():
        if np.ptp(feature) == 0:
            continue
        mask = (feature - feature.min()) / np.ptp(feature)
        expected += (literal_probability(baseline + mask * (PIXELS - baseline)) - dark) * feature
    got = explain(conv, "score_cam")
    assert got.converged
    assert got.forwards <= 2 + 6
    # Six products of a feature, up to 5, and a difference of probabilities, each known to some 500 roundings.
    tolerance = 6 * 5 * 500 * EPSILON
    assert expected.std() > 20 * tolerance, "weights that hardly differ test nothing"
    np.testing.assert_allclose(got.map, expected, rtol=0, atol=tolerance)


def test_the_most_varied_feature_maps_come_first(conv: LoadedModel):
    """With a budget for two maps, the result is that of the two."""
    got = explain(conv, "score_cam", forwards=4)
    assert not got.converged
    assert got.forwards == 4
    np.testing.assert_array_equal(got.map, explain(conv, "score_cam", maps=2).map)


def test_score_cam_takes_a_sensible_number_of_maps():
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        ScoreCamParameters(maps=0)
    with pytest.raises(ValidationError, match="less than or equal to 20000"):
        ScoreCamParameters(maps=10**9)


def test_a_flat_image_divides_nothing_by_zero(conv: LoadedModel):
    """Its feature maps vary at the border only, and the image seen through them is itself."""
    pixels = np.full_like(PIXELS, 0.5)
    plan = METHODS["score_cam"].plan(Subject.of(conv, pixels, target=0), ScoreCamParameters())
    assert np.isfinite(drive(plan, conv).map).all()
