"""The comparison with a framework, with PyTorch as the framework and with errors made on purpose."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper
from onnxruntime import InferenceSession

from service.arrays import Image
from service.bundle.framework import FrameworkAnswer, compare_with_framework, one_hot
from service.bundle.probe import probe_image
from service.graphs.differentiate import gradient_graph
from service.graphs.prepare import prepare
from service.graphs.session import open_session

IMAGES = [probe_image(16, 16, seed) for seed in range(3)]


@dataclass
class Torch:
    """The small classifier in PyTorch; *spoil* adds an error to the float64 gradient."""

    weights: dict[str, NDArray[np.float32]]
    spoil: float = 0.0
    version: str = f"PyTorch {torch.__version__}"

    def __call__(self, image: Image, target: int) -> FrameworkAnswer:
        logits, gradient = self._run(image, target, torch.float64)
        own_logits, own_gradient = self._run(image, target, torch.float32)
        return FrameworkAnswer(
            logits.astype(np.float64), own_logits.astype(np.float32),
            gradient * (1 + self.spoil), own_gradient.astype(np.float32),
        )  # fmt: skip

    def _run(
        self, image: Image, target: int, dtype: torch.dtype
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        w = {name: torch.tensor(array, dtype=dtype) for name, array in self.weights.items()}
        pixels = torch.tensor(image[None], dtype=dtype, requires_grad=True)
        x = torch.relu(torch.conv2d(pixels, w["w1"], w["b1"], padding=1))
        x = torch.relu(torch.conv2d(x, w["w2"], stride=2, padding=1)).mean((2, 3))
        logits = (x @ w["w3"].T + w["b3"])[0]
        [gradient] = torch.autograd.grad(logits[target], pixels)
        return logits.detach().numpy(), gradient[0].numpy()


@pytest.fixture
def sessions(classifier: ModelProto) -> tuple[InferenceSession, InferenceSession]:
    prepared = prepare(classifier)
    return open_session(prepared, optimise=True), open_session(gradient_graph(prepared), optimise=True)


@pytest.fixture
def framework(classifier: ModelProto) -> Callable[..., Torch]:
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in classifier.graph.initializer}
    return lambda spoil=0.0: Torch(weights, spoil)


def test_the_graphs_are_as_close_to_float64_as_pytorch_is(
    sessions: tuple[InferenceSession, InferenceSession], framework: Callable[..., Torch]
) -> None:
    """Nothing is near a kink in so small a network, so both are at float32 rounding: 2^-24 times a few."""
    found = compare_with_framework(framework(), *sessions, IMAGES)

    assert found.framework.startswith("PyTorch 2")
    assert found.gradient is not None
    assert found.own_gradient is not None
    for errors in (found.logits, found.own_logits, found.gradient, found.own_gradient):
        assert 0 < errors.largest < 3e-6
        assert errors.count == 3


def test_an_error_of_the_gradient_is_measured_at_its_size(
    sessions: tuple[InferenceSession, InferenceSession], framework: Callable[..., Torch]
) -> None:
    """A reference 25 % too long: the error is 0.25 / 1.25 of it, and the logits do not notice."""
    found = compare_with_framework(framework(spoil=0.25), *sessions, IMAGES)

    assert found.gradient is not None
    assert found.gradient.median == pytest.approx(0.2, rel=5e-3)
    assert found.logits.largest < 3e-6


def test_a_classifier_without_a_gradient_is_compared_by_its_logits(
    sessions: tuple[InferenceSession, InferenceSession], framework: Callable[..., Torch]
) -> None:
    found = compare_with_framework(framework(), sessions[0], None, IMAGES)

    assert found.logits.largest < 3e-6
    assert found.gradient is None
    assert found.own_gradient is None


def test_a_cotangent_asks_for_one_logit() -> None:
    np.testing.assert_array_equal(one_hot(2, 4), [[0, 0, 1, 0]])
