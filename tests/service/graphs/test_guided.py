"""Guided backpropagation against Captum, and against its definition where Captum has none."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from captum.attr import GuidedBackprop
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

from service.errors import GraphError
from service.graphs.differentiate import gradient_graph
from service.graphs.guided import guided_graph
from service.graphs.prepare import prepare
from tests.autograd import evaluate_single
from tests.kernels import nodes_without_cuda_kernel

Make = Callable[..., ModelProto]
RNG = np.random.default_rng(5)
FIRST = RNG.normal(size=(6, 3, 3, 3)).astype(np.float32)
SECOND = RNG.normal(size=(7, 6, 3, 3)).astype(np.float32)
IMAGE = RNG.normal(size=(1, 3, 8, 8)).astype(np.float32)
TARGET = 3
EPS = float(np.finfo(np.float32).eps)
TERMS = 9 * (3 + 6 + 6 + 7) + 64  # of the sums on the way there and back


def network(make: Make, activation: str) -> ModelProto:
    """Two convolutions, each behind it the activation, then the head of ``classifier``."""
    body = f"""
      a = Conv <pads: ints = [1, 1, 1, 1]> (x, first)
      b = {activation.format("a")}
      c = Conv <pads: ints = [1, 1, 1, 1]> (b, second)
      features = {activation.format("c")}
    """
    model = make(body, channels=7)
    values = {"first": FIRST, "second": SECOND, "zero": np.float32(0), "six": np.float32(6)}
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), name) for name, v in values.items())
    return prepare(model)


class Twin(torch.nn.Module):
    """The same in float64."""

    def __init__(self, head: NDArray[np.float32], activation: Callable[[], torch.nn.Module]) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 6, 3, padding=1, bias=False, dtype=torch.float64)
        self.second = torch.nn.Conv2d(6, 7, 3, padding=1, bias=False, dtype=torch.float64)
        self.one, self.two = activation(), activation()
        self.head = torch.tensor(head).double()
        with torch.no_grad():
            self.first.weight.copy_(torch.from_numpy(FIRST))
            self.second.weight.copy_(torch.from_numpy(SECOND))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.two(self.second(self.one(self.first(image))))
        return features.mean(dim=(2, 3)) @ self.head.T


def head_of(model: ModelProto) -> NDArray[np.float32]:
    return np.asarray(numpy_helper.to_array(next(t for t in model.graph.initializer if t.name == "head")))


def guided(model: ModelProto) -> NDArray[np.float32]:
    graph = guided_graph(model)
    cotangent = np.eye(5, dtype=np.float32)[[TARGET]]
    answers = evaluate_single(graph, {"image": IMAGE, "cotangent": cotangent})
    return np.asarray(dict(zip([o.name for o in graph.graph.output], answers, strict=True))["gradient"])


def test_it_is_captums(classifier: Make) -> None:
    """In float64, on a network of two ReLUs: the rule applies at each."""
    model = network(classifier, "Relu ({0})")
    twin = Twin(head_of(model), torch.nn.ReLU)
    with pytest.warns(UserWarning, match="backward hooks"):
        theirs = GuidedBackprop(twin).attribute(
            torch.from_numpy(IMAGE).double().requires_grad_(), target=TARGET
        )
    expected = theirs.detach().numpy()
    np.testing.assert_allclose(guided(model), expected, rtol=0, atol=TERMS * EPS * np.abs(expected).max())


class GuidedReLU6(torch.autograd.Function):
    """The definition, literally."""

    @staticmethod
    def forward(context: torch.autograd.function.FunctionCtx, x: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(x)
        return x.clamp(0, 6)

    @staticmethod
    def backward(context: torch.autograd.function.FunctionCtx, *gradients: torch.Tensor) -> torch.Tensor:
        (x,) = context.saved_tensors  # type: ignore[attr-defined]
        return gradients[0] * ((x > 0) & (x < 6) & (gradients[0] > 0))


class Rectifier(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(GuidedReLU6.apply(x))


def test_a_relu6_is_a_relu_with_a_ceiling(classifier: Make) -> None:
    """Captum leaves it alone, and MobileNets have no other; some activations of this image are above 6."""
    model = network(classifier, "Clip ({0}, zero, six)")
    twin = Twin(head_of(model), Rectifier)
    image = torch.from_numpy(IMAGE).double().requires_grad_()
    (theirs,) = torch.autograd.grad(twin(image)[0, TARGET], image)
    expected = theirs.numpy()
    np.testing.assert_allclose(guided(model), expected, rtol=0, atol=TERMS * EPS * np.abs(expected).max())


def test_it_is_not_the_gradient(classifier: Make) -> None:
    """Otherwise both tests above could pass by chance, with no negative gradient on the way."""
    model = network(classifier, "Relu ({0})")
    graph = gradient_graph(model)
    cotangent = np.eye(5, dtype=np.float32)[[TARGET]]
    answers = evaluate_single(graph, {"image": IMAGE, "cotangent": cotangent})
    gradient = dict(zip([o.name for o in graph.graph.output], answers, strict=True))["gradient"]
    assert np.abs(guided(model) - gradient).max() > 0.1 * np.abs(gradient).max()


def test_every_node_has_a_cuda_kernel(classifier: Make) -> None:
    assert nodes_without_cuda_kernel(guided_graph(network(classifier, "Relu ({0})")), prefix="vjp/") == []


def test_a_network_without_a_relu_is_refused(classifier: Make) -> None:
    """Its guided backpropagation would be the gradient under another name."""
    with pytest.raises(GraphError, match="no ReLU"):
        guided_graph(prepare(classifier("features = Sigmoid (x)")))
