"""Each program against a literal numpy re-derivation, pixel by pixel."""

import numpy as np
import pytest

from service.runtime.device import choose_device
from service.runtime.programs import Programs
from tests.devices import DEVICES

RNG = np.random.default_rng(20)
HEIGHT, WIDTH = 6, 9
IMAGE = RNG.random((1, 3, HEIGHT, WIDTH), dtype=np.float32)
REPLACEMENT = RNG.random((1, 3, HEIGHT, WIDTH), dtype=np.float32)


@pytest.fixture(scope="module", params=DEVICES)
def programs(request: pytest.FixtureRequest) -> Programs:
    return Programs(choose_device(request.param))


def test_segments_replaces_exactly_the_pixels_of_the_removed_segments(programs: Programs):
    segments = RNG.integers(0, 5, (HEIGHT, WIDTH))
    removed = RNG.random((4, 5)) < 0.5
    got = programs.segments(
        {"image": IMAGE, "replacement": REPLACEMENT, "removed": removed, "segments": segments}
    )["images"].numpy()
    for n in range(4):
        for row in range(HEIGHT):
            for column in range(WIDTH):
                source = REPLACEMENT if removed[n, segments[row, column]] else IMAGE
                assert (got[n, :, row, column] == source[0, :, row, column]).all()


def test_windows_replaces_exactly_the_pixels_inside(programs: Programs):
    """The last two windows overhang the border, and one is empty."""
    windows = np.array([[0, 0, 2, 3], [1, 4, 5, 5], [4, 7, 99, 99], [3, 3, 3, 3]])
    got = programs.windows({"image": IMAGE, "replacement": REPLACEMENT, "windows": windows})["images"].numpy()
    for n, (top, left, bottom, right) in enumerate(windows):
        expected = IMAGE[0].copy()
        expected[:, top:bottom, left:right] = REPLACEMENT[0, :, top:bottom, left:right]
        np.testing.assert_array_equal(got[n], expected)


def test_path_starts_at_the_baseline_and_is_straight(programs: Programs):
    """At 1/4 it is 3/4 baseline + 1/4 image, to one rounding of each of three operations (values below 1)."""
    position = np.array([0, 0.25, 1], np.float32)
    got = programs.path({"image": IMAGE, "baseline": REPLACEMENT, "position": position})["images"].numpy()
    for n, alpha in enumerate(position.astype(np.float64)):
        expected = (1 - alpha) * REPLACEMENT[0].astype(np.float64) + alpha * IMAGE[0].astype(np.float64)
        np.testing.assert_allclose(got[n], expected, rtol=0, atol=3 * np.finfo(np.float32).eps)
    np.testing.assert_array_equal(got[0], REPLACEMENT[0])


def test_gradient_sum_is_weighted_and_exact_in_float64(programs: Programs):
    gradient = RNG.standard_normal((5, 3, HEIGHT, WIDTH)).astype(np.float32)
    weight = np.array([1, 0, -2, 0.5, 4], np.float32)
    total = RNG.standard_normal((1, 3, HEIGHT, WIDTH))
    got = programs.gradient_sum({"gradient": gradient, "weight": weight, "total": total})["new_total"].numpy()
    expected = total + sum(w * g for w, g in zip(weight.astype(float), gradient.astype(float), strict=True))
    # Six float64 additions of values below 20.
    np.testing.assert_allclose(got, expected, rtol=0, atol=6 * 20 * np.finfo(np.float64).eps)


def test_path_attribution_multiplies_by_the_difference_and_adds_the_channels(programs: Programs):
    total = RNG.standard_normal((1, 3, HEIGHT, WIDTH))
    answer = programs.path_attribution({"total": total, "image": IMAGE, "baseline": REPLACEMENT})
    expected = ((IMAGE - REPLACEMENT).astype(np.float64) * total)[0].sum(axis=0)
    np.testing.assert_allclose(answer["attribution"].numpy(), expected, rtol=2e-7, atol=1e-12)
    assert float(answer["sum"].numpy()) == pytest.approx(expected.sum(), rel=1e-12)


def test_single_label_scalars_are_the_targets_logit_and_softmax(programs: Programs):
    logits = RNG.standard_normal((4, 7)).astype(np.float32)
    cotangent = np.zeros((7, 1), np.float32)
    cotangent[2] = 1
    answer = programs.single_label_scalars({"logits": logits, "cotangent": cotangent})
    softmax = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum(axis=1, keepdims=True)
    np.testing.assert_array_equal(answer["logit"].numpy(), logits[:, 2])
    np.testing.assert_allclose(answer["probability"].numpy(), softmax[:, 2], rtol=1e-6)


def test_sigmoid_scalars_of_a_contrast_are_the_difference_and_its_sigmoid(programs: Programs):
    logits = RNG.standard_normal((4, 7)).astype(np.float32)
    cotangent = np.zeros((7, 1), np.float32)
    cotangent[2], cotangent[5] = 1, -1
    answer = programs.sigmoid_scalars({"logits": logits, "cotangent": cotangent})
    difference = logits[:, 2].astype(float) - logits[:, 5]
    np.testing.assert_allclose(answer["logit"].numpy(), difference, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(answer["probability"].numpy(), 1 / (1 + np.exp(-difference)), rtol=1e-6)


def test_gradient_magnitude_is_the_largest_channel_not_their_mean(programs: Programs):
    """Opposite signs must not cancel: the mean of (3, -5, 1) would be small, the magnitude is 5."""
    gradient = np.array([3, -5, 1], np.float32).reshape(1, 3, 1, 1)
    assert programs.gradient_magnitude({"gradient": gradient})["map"].numpy().tolist() == [[5]]


def test_grad_cam_weighs_each_feature_map_by_its_mean_gradient_and_keeps_the_sign(programs: Programs):
    features = RNG.standard_normal((1, 4, 2, 3)).astype(np.float32)
    gradient = RNG.standard_normal((1, 4, 2, 3)).astype(np.float32)
    identity = {"rows": np.eye(2, dtype=np.float32), "columns": np.eye(3, dtype=np.float32)}
    got = programs.grad_cam({"features": features, "feature_gradient": gradient, **identity})["map"].numpy()
    expected = sum(gradient[0, k].astype(float).mean() * features[0, k].astype(float) for k in range(4))
    # A mean of 6, a product and a sum of 4 terms of size about 1.
    np.testing.assert_allclose(got, expected, rtol=0, atol=12 * 2 * np.finfo(np.float32).eps)
    assert (got < 0).any()
