"""Occlusion beside Captum's, on the same weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import Occlusion

from service.explain.methods import METHODS
from service.explain.subject import Subject
from service.imaging.baselines import channel_mean
from service.runtime.drive import drive
from tests.tiny import conv_model, load_tiny

SIZE = 13
RNG = np.random.default_rng(51)
KERNEL = RNG.standard_normal((6, 3, 3, 3)).astype(np.float32)
HEAD = (4 * RNG.standard_normal((5, 6))).astype(np.float32)
PIXELS = RNG.random((3, SIZE, SIZE), dtype=np.float32)


def in_float64(images: torch.Tensor) -> torch.Tensor:
    convolved = torch.nn.functional.conv2d(images, torch.from_numpy(KERNEL).double(), padding=1)
    return convolved.relu().mean(dim=(2, 3)) @ torch.from_numpy(HEAD).double().T


@pytest.mark.parametrize(("window", "stride"), [(5, 5), (5, 3), (4, 2), (13, 1), (1, 1)])
def test_the_map_is_captums_in_float64(tmp_path: Path, window: int, stride: int):
    """Windows side by side, overlapping and overhanging; one that covers all, and single pixels."""
    model = load_tiny(conv_model(KERNEL, HEAD, size=SIZE), tmp_path)
    occlusion = METHODS["occlusion"]
    parameters = occlusion.parameters.model_validate({"window": window, "stride": stride})
    got = drive(occlusion.plan(Subject.of(model, PIXELS, target=2), parameters), model).map
    expected = Occlusion(in_float64).attribute(
        torch.from_numpy(PIXELS)[None].double(),
        sliding_window_shapes=(3, window, window),
        strides=(3, stride, stride),
        baselines=torch.from_numpy(channel_mean(PIXELS))[None].double(),
        target=2,
    )[0, 0]
    # A logit is a sum over 6 maps of a mean over 169 pixels of sums of 27 products; values up to 20.
    tolerance = 20 * (27 + 169 + 6) * float(np.finfo(np.float32).eps)
    np.testing.assert_allclose(got, expected.numpy(), rtol=0, atol=tolerance)
