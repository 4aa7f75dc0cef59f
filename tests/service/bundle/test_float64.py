"""The float64 evaluation really is in float64, throughout."""

import numpy as np
import pytest
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper, parser

from service.bundle.float64 import Float64Graph
from service.errors import GraphError


def parse(text: str) -> ModelProto:
    return parser.parse_model('<ir_version: 10, opset_import: ["" : 20]>' + text)


def test_a_classifier_equals_pytorch_in_float64(classifier: ModelProto) -> None:
    """To float64 rounding: 72 + 27 products per logit, 1e-16 each, leave 1e-12 far behind."""
    image = np.random.default_rng(0).random((2, 3, 16, 16))
    weights = {t.name: torch.tensor(numpy_helper.to_array(t)).double() for t in classifier.graph.initializer}
    x = torch.relu(torch.conv2d(torch.tensor(image), weights["w1"], weights["b1"], padding=1))
    x = torch.relu(torch.conv2d(x, weights["w2"], stride=2, padding=1)).mean((2, 3))
    expected = (x @ weights["w3"].T + weights["b3"]).numpy()

    found = Float64Graph(classifier)({"pixels": image}, "scores")

    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(
    "body",
    [
        "y = Cast <to = 1> (x)",
        "k = Constant <value = float {0}> () y = Add(x, k)",
        "k = Constant <value_float = 0.0> () y = Add(x, k)",
        "k = Constant <value_floats = [0.0]> () y = Add(x, k)",
        "s = Shape(x) k = ConstantOfShape(s) y = Add(x, k)",
        "s = Shape(x) k = ConstantOfShape <value = float[1] {0}> (s) y = Add(x, k)",
        "y = CastLike(x, x)",
    ],
)
def test_no_operator_narrows_what_passes_through(body: str) -> None:
    """One narrowing cast anywhere and small steps of finite differences vanish."""
    graph = Float64Graph(parse(f"g (float[N] x) => (float[N] y) {{ {body} }}"))
    value = np.array([1 + 2**-40])

    np.testing.assert_array_equal(graph({"x": value}, "y"), value)


def test_weights_are_widened() -> None:
    """The reference evaluator refuses to add a float32 to a float64, as ONNX does."""
    graph = Float64Graph(parse("g (float[N] x) => (float[N] y) <float[1] k = {0}> { y = Add(x, k) }"))
    value = np.array([1 + 2**-40])

    np.testing.assert_array_equal(graph({"x": value}, "y"), value)


def test_a_branch_is_widened_too() -> None:
    branch = helper.make_graph(
        [helper.make_node("Cast", ["x"], ["z"], to=TensorProto.FLOAT)],
        "branch",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1])],
    )
    model = parse("g (float[1] x, bool c) => (float[1] y) { y = Identity(x) }")
    del model.graph.node[:]
    model.graph.node.append(helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch))
    value = np.array([1 + 2**-40])

    found = Float64Graph(model)({"x": value, "c": np.array(True)}, "y")

    np.testing.assert_array_equal(found, value)


def test_an_operator_that_cannot_be_evaluated_is_a_typed_error() -> None:
    """The check is then left out and the bundle says so; a traceback of numpy would help nobody."""
    graph = Float64Graph(parse("g (float[N] x) => (float[N] y) { y = Reshape(x, x) }"))

    with pytest.raises(GraphError, match="reference evaluator cannot run"):
        graph({"x": np.array([0.5])}, "y")


def test_an_operator_that_is_unknown_is_a_typed_error() -> None:
    with pytest.raises(GraphError, match="reference evaluator does not know"):
        Float64Graph(parse("g (float[N] x) => (float[N] y) { y = Blur(x) }"))


def test_the_graph_itself_is_not_changed(classifier: ModelProto) -> None:
    before = classifier.SerializeToString()

    Float64Graph(classifier)

    assert classifier.SerializeToString() == before
