"""The classifier's derivative as an ONNX graph of its own."""

from collections.abc import Mapping

from onnx import ModelProto, helper

from service.errors import GraphError
from service.graphs.backpropagate import backpropagate
from service.graphs.facts import ELEMENTS, measure
from service.graphs.layers import feature_layer, through_map
from service.graphs.start import begin, copy
from service.graphs.step import RULES, Rule
from service.graphs.tape import Tape, Tensor
from service.graphs.tidy import remove_dead_nodes


def gradient_graph(model: ModelProto) -> ModelProto:
    """Write the gradient of ``sum(cotangent * logits)`` with respect to the image.

    Args:
        model: A classifier as :func:`service.graphs.prepare.prepare` returns it. It is not changed.

    Returns:
        A graph with the inputs ``image [N,3,H,W]`` and ``cotangent [N,C]`` and the outputs ``logits [N,C]`` and
        ``gradient [N,3,H,W]``. Weights keep their names.

    Raises:
        UnsupportedOperatorError: An operator between image and logits has no derivative rule.
        GraphError: ONNX Runtime cannot run the classifier, or the logits do not depend on the image.
    """
    return image_gradient(model, RULES)


def image_gradient(model: ModelProto, rules: Mapping[str, Rule]) -> ModelProto:
    """Write what flows back to the image under a set of rules; as :func:`gradient_graph` with those of calculus."""
    graph = copy(model)
    tape = begin(graph, measure(graph))
    gradient = backpropagate(tape, {"logits": tape.tensor("cotangent")}, ["image"], rules).get("image")
    if gradient is None:
        raise GraphError("the logits do not depend on the image, so there is no gradient", where="logits")
    give(tape, gradient, "gradient", tape.facts.shapes["image"])
    remove_dead_nodes(graph)
    return graph


def features_graph(model: ModelProto, layer: str | None = None) -> ModelProto:
    """Write the gradient of ``sum(cotangent * logits)`` with respect to a feature layer.

    Args:
        model: A classifier as :func:`service.graphs.prepare.prepare` returns it. It is not changed.
        layer: The feature layer's tensor; None takes the last one at every place of which the logits look
            (:func:`service.graphs.layers.feature_layer`). Tokens are brought to the shape of a map.

    Returns:
        A graph with the inputs ``image [N,3,H,W]`` and ``cotangent [N,C]`` and the outputs ``logits [N,C]``,
        ``features [N,K,h,w]`` and ``feature_gradient [N,K,h,w]``. Weights keep their names.

    Raises:
        UnsupportedOperatorError: An operator between layer and logits has no derivative rule.
        GraphError: There is no such layer, or the logits do not depend on it.
    """
    graph = copy(model)
    facts = measure(graph)
    name = feature_layer(graph, facts) if layer is None else layer
    features = through_map(graph, facts, name)
    tape = begin(graph, facts if features == name else measure(graph))
    gradient = backpropagate(tape, {"logits": tape.tensor("cotangent")}, [features]).get(features)
    if gradient is None:
        raise GraphError(f"the logits do not depend on {name!r}, so there is no gradient", where=features)
    give(tape, tape.tensor(features), "features", tape.facts.shapes[features])
    give(tape, gradient, "feature_gradient", tape.facts.shapes[features])
    remove_dead_nodes(graph)
    return graph


def give(tape: Tape, tensor: Tensor, name: str, shape: tuple[int | str | None, ...]) -> None:
    """Make a tensor an output of the graph under a name of its own."""
    tape.graph.node.append(helper.make_node("Identity", [tensor.name], [name], name=name))
    named = ["N" if length is None else length for length in shape]
    tape.graph.output.append(helper.make_tensor_value_info(name, ELEMENTS[tape.dtype], named))
