"""Which tensor class activation maps look at, and in which shape they get it."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

from service.errors import GraphError
from service.graphs.differentiate import features_graph
from service.graphs.prepare import prepare
from tests.autograd import evaluate_single

Make = Callable[..., ModelProto]
IMAGES = np.random.default_rng(1).uniform(size=(2, 3, 8, 8)).astype(np.float32)
COTANGENT = np.random.default_rng(2).normal(size=(2, 5)).astype(np.float32)

TRANSFORMER = """
  patches = Conv <strides: ints = [2, 2]> (x, w)
  flat_patches = Reshape (patches, tokens_shape)
  grid = Transpose <perm: ints = [0, 2, 1]> (flat_patches)
  batch = Shape <start: int = 0, end: int = 1> (x)
  class_shape = Concat <axis: int = 0> (batch, ones)
  classes = Expand (class_token, class_shape)
  tokens = Concat <axis: int = 1> (classes, grid)
  normed = LayerNormalization (tokens, scale, bias)
  queries = MatMul (normed, q)
  turned = Transpose <perm: ints = [0, 2, 1]> (queries)
  scored = MatMul (queries, turned)
  weights = Softmax (scored)
  mixed = MatMul (weights, normed)
  residual = Add (tokens, mixed)
  last = LayerNormalization (residual, scale, bias)
  first = Gather <axis: int = 1> (last, zero)
  scores = Gemm <transB: int = 1> (first, head)
"""
CONSTANTS: dict[str, NDArray[np.generic]] = {
    "w": np.random.default_rng(3).normal(size=(6, 3, 2, 2)).astype(np.float32),
    "q": np.random.default_rng(4).normal(scale=0.1, size=(6, 6)).astype(np.float32),
    "class_token": np.random.default_rng(5).normal(size=(1, 1, 6)).astype(np.float32),
    "scale": np.random.default_rng(6).normal(size=6).astype(np.float32),
    "bias": np.random.default_rng(7).normal(size=6).astype(np.float32),
    "tokens_shape": np.array([0, 6, 16]),
    "ones": np.array([1, 1]),
    "zero": np.array(0),
}


def transformer(make: Make) -> ModelProto:
    model = make(TRANSFORMER, head="", channels=6)
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in CONSTANTS.items())
    return prepare(model)


def run(model: ModelProto) -> dict[str, NDArray[np.float32]]:
    values = evaluate_single(model, {"image": IMAGES, "cotangent": COTANGENT})
    return {
        entry.name: np.asarray(value, np.float32)
        for entry, value in zip(model.graph.output, values, strict=True)
    }


def inner(model: ModelProto, name: str) -> NDArray[np.float32]:
    """Run a classifier up to one of its tensors."""
    probe = ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.add().name = name
    return np.asarray(evaluate_single(probe, {"image": IMAGES})[0])


def test_a_convolutional_network_gives_its_last_map(classifier: Make) -> None:
    """The one that global pooling reads, not the pooled one and not an earlier one."""
    model = prepare(classifier("early = Sigmoid (x) features = Relu (early)"))
    found = run(features_graph(model))
    np.testing.assert_array_equal(found["features"], inner(model, "features/before"))
    head = numpy_helper.to_array(next(t for t in model.graph.initializer if t.name == "head"))
    expected = np.broadcast_to((COTANGENT @ head / 64)[:, :, None, None], (2, 3, 8, 8))
    np.testing.assert_allclose(found["feature_gradient"], expected, rtol=1e-6)


def test_a_map_that_only_an_index_reads_is_passed_over(classifier: Make) -> None:
    """Nothing flows back through the place of a maximum, as where tokens choose their cluster."""
    body = """
      map = Relu (x)
      side = AveragePool <kernel_shape: ints = [2, 2], strides: ints = [2, 2]> (x)
      chosen = ArgMax <axis: int = 1> (side)
      index = Cast <to: int = 1> (chosen)
      mean = ReduceMean <keepdims: int = 0> (index, places)
      factor = Cast <to: int = 1> (mean)
      pooled = GlobalAveragePool (map)
      flat = Flatten <axis: int = 1> (pooled)
      all = Gemm <transB: int = 1> (flat, head)
      scores = Mul (all, factor)
    """
    brought = classifier(body, head="")
    brought.graph.initializer.append(numpy_helper.from_array(np.array([2, 3]), "places"))
    model = prepare(brought)
    np.testing.assert_array_equal(run(features_graph(model))["features"], inner(model, "map"))


def test_a_transformer_gives_the_tokens_that_its_last_attention_reads(classifier: Make) -> None:
    """Behind it only the class token has a gradient; the map must not hold the class token."""
    model = transformer(classifier)
    found = run(features_graph(model))
    tokens = inner(model, "normed")
    np.testing.assert_allclose(
        found["features"], tokens[:, 1:].transpose(0, 2, 1).reshape(2, 6, 4, 4), rtol=1e-6
    )
    assert (found["feature_gradient"] != 0).any(axis=1).all()


def test_the_way_through_the_map_changes_no_logit(classifier: Make) -> None:
    """Tokens go to the map and back; the class token passes by."""
    model = transformer(classifier)
    np.testing.assert_allclose(run(features_graph(model))["logits"], inner(model, "logits"), rtol=1e-5)


def test_the_gradient_of_tokens_is_the_tokens_gradient(classifier: Make) -> None:
    """By central differences of the logits along the map, computed by the graph itself.

    Two steps of different size bound the error of the difference by their disagreement.
    """
    model = features_graph(transformer(classifier))
    features = next(node.input[0] for node in model.graph.node if "features" in node.output)
    tail = ModelProto()
    tail.CopyFrom(model)
    for node in tail.graph.node:
        for position, name in enumerate(node.output):
            if name == features:
                node.output[position] = "computed"
    tail.graph.input.add().CopyFrom(next(o for o in model.graph.output if o.name == "features"))
    tail.graph.input[-1].name = features
    found = run(model)
    direction = np.random.default_rng(8).normal(size=found["features"].shape).astype(np.float32)

    def slope(step: float) -> float:
        scores = []
        for sign in (1, -1):
            moved = (found["features"] + sign * step * direction).astype(np.float32)
            values = evaluate_single(tail, {"image": IMAGES, "cotangent": COTANGENT, features: moved})
            logits = dict(zip([o.name for o in tail.graph.output], values, strict=True))["logits"]
            scores.append(float(np.sum(np.asarray(logits, np.float64) * COTANGENT)))
        return (scores[0] - scores[1]) / (2 * step)

    expected = float(np.sum(found["feature_gradient"].astype(np.float64) * direction))
    assert abs(slope(0.01) - expected) < 2 * abs(slope(0.02) - slope(0.01)) + 1e-3 * abs(expected)


@pytest.mark.parametrize("name", ["patches", "grid"])
def test_a_layer_can_be_named(classifier: Make, name: str) -> None:
    """A map as it is, or tokens without a class token."""
    model = transformer(classifier)
    found = run(features_graph(model, name))
    assert found["features"].shape == (2, 6, 4, 4)
    np.testing.assert_allclose(found["features"], inner(model, "patches"), rtol=1e-5)


def test_the_gate_of_a_self_gated_activation_can_be_named(classifier: Make) -> None:
    """Its gradient is what it is multiplied by; that SiLU is differentiated as one function does not hide it."""
    model = prepare(classifier("gate = Sigmoid (x) features = Mul (x, gate)"))
    head = numpy_helper.to_array(next(t for t in model.graph.initializer if t.name == "head"))
    expected = (COTANGENT @ head / 64)[:, :, None, None] * IMAGES
    found = run(features_graph(model, "gate"))["feature_gradient"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "message"), [("nowhere", "no tensor 'nowhere'"), ("scored", "no height and width")]
)
def test_a_layer_that_is_none_is_refused(classifier: Make, name: str, message: str) -> None:
    """A matrix of attention is as square as a map."""
    with pytest.raises(GraphError, match=message):
        features_graph(transformer(classifier), name)


def test_a_classifier_without_maps_is_refused(classifier: Make) -> None:
    """Here the first operator flattens the image."""
    model = classifier(
        "flat = Flatten (x) scores = Gemm <transB: int = 1> (flat, head)", head="", channels=192
    )
    with pytest.raises(GraphError, match="name the feature layer"):
        features_graph(prepare(model))
