"""A classifier graph evaluated in float64, for finite differences whose rounding does not matter.

ONNX Runtime's CPU provider has no float64 convolution. ONNX's own reference evaluator computes every standard
operator with numpy, in whatever precision it is given: a second or two per image for a ResNet-18.
"""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from service.errors import GraphError

Array64: TypeAlias = NDArray[np.float64]

EVALUATOR_ERRORS = (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, AssertionError)
"""It is a reference, not a product: what an operator does not expect fails in whatever way numpy does."""


class Float64Graph:
    """A float32 graph, computed in float64.

    Args:
        model: The graph, weights inside. It is not changed.

    Raises:
        GraphError: The reference evaluator does not know an operator.

    Examples:
        float32 cannot tell 1 from 1 + 1e-12:

        >>> import numpy as np
        >>> from onnx import parser
        >>> text = '<ir_version: 10, opset_import: ["" : 20]> g (float[N] x) => (float[N] y) { y = Add(x, x) }'
        >>> twice = Float64Graph(parser.parse_model(text))
        >>> bool(twice({"x": np.array([1 + 1e-12])}, "y")[0] > 2)
        True
    """

    def __init__(self, model: ModelProto) -> None:
        widened = ModelProto()
        widened.CopyFrom(model)
        _widen(widened.graph)
        try:
            self._evaluator = ReferenceEvaluator(widened)
        except EVALUATOR_ERRORS as error:
            raise GraphError(f"ONNX's reference evaluator does not know the graph: {error}") from error

    def __call__(self, inputs: Mapping[str, Array64], output: str) -> Array64:
        """Evaluate one output.

        Args:
            inputs: Every input by name.
            output: Name of the output.

        Returns:
            Its value.

        Raises:
            GraphError: The reference evaluator cannot compute an operator.
        """
        try:
            [value] = self._evaluator.run([output], dict(inputs))
        except EVALUATOR_ERRORS as error:
            raise GraphError(
                f"ONNX's reference evaluator cannot run the graph in float64: {error}"
            ) from error
        return np.asarray(value, np.float64)


def _widen(graph: GraphProto) -> None:
    """Make every float32 in a graph a float64, in place: weights, constants, casts and declared types."""
    for tensor in graph.initializer:
        _widen_tensor(tensor)
    for value in [*graph.input, *graph.output, *graph.value_info]:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in graph.node:
        _widen_node(node)


def _widen_node(node: NodeProto) -> None:
    if node.op_type == "ConstantOfShape" and not node.attribute:
        node.attribute.append(
            helper.make_attribute("value", helper.make_tensor("", TensorProto.DOUBLE, [1], [0]))
        )
    for attribute in node.attribute:
        _widen_attribute(attribute)


def _widen_attribute(attribute: AttributeProto) -> None:
    if attribute.name in {"to", "dtype"} and attribute.i == TensorProto.FLOAT:
        attribute.i = TensorProto.DOUBLE
    for tensor in (attribute.t, *attribute.tensors):
        _widen_tensor(tensor)
    for inner in (attribute.g, *attribute.graphs):
        _widen(inner)
    if attribute.name in {"value_float", "value_floats"}:
        values = (
            np.float64(attribute.f)
            if attribute.name == "value_float"
            else np.array(attribute.floats, np.float64)
        )
        attribute.CopyFrom(helper.make_attribute("value", numpy_helper.from_array(np.asarray(values))))


def _widen_tensor(tensor: TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        array = numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
