"""What is known of a prepared classifier without running it: shapes, small constants, and roughly what it costs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from onnx import ModelProto, NodeProto, numpy_helper, shape_inference

Shape: TypeAlias = tuple[int, ...]
"""Lengths of the axes; of what depends on the image without the batch."""

MOVED: Final = 24
"""Multiplications in the time of reading and writing one number: on a CPU, where operators are not fused."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a file says of its tensors.

    Args:
        constants: Shapes of the weights, by name.
        integers: Values of short lists of integers, such as the lengths of a border, by name.
        shapes: Shapes of what depends on the image, as far as they can be inferred, by name.
    """

    constants: Mapping[str, Shape]
    integers: Mapping[str, Sequence[int]]
    shapes: Mapping[str, Shape]

    @classmethod
    def of(cls, model: ModelProto) -> "Known":
        """Read a classifier; its weights may lie elsewhere."""
        constants = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
        integers = {
            tensor.name: numpy_helper.to_array(tensor).tolist()
            for tensor in model.graph.initializer
            if tensor.data_type == tensor.INT64 and not tensor.external_data and len(tensor.dims) == 1
        }
        return cls(constants, integers, dict(_shapes(model)))

    def reads(self, node: NodeProto) -> tuple[str, ...]:
        """Name the inputs of an operator that depend on the image."""
        return tuple(name for name in node.input if name and name not in self.constants)

    def work(self, node: NodeProto) -> float:
        """Estimate what an operator costs in a pass, in multiplications; 0 if nothing is known of its output.

        What is only moved counts as so many as take the same time.
        """
        size = math.prod(self.shapes.get(node.output[0], (0,)))
        return float(size * (MOVED + self._products(node)))

    def _products(self, node: NodeProto) -> int:
        """Count the products that are summed up to one number of the output."""
        weights = self.constants.get(node.input[1], ()) if len(node.input) > 1 else ()
        if node.op_type == "Conv":
            return math.prod(weights[1:])
        if node.op_type in {"Gemm", "MatMul"}:
            return math.prod(weights) // max(self.shapes.get(node.output[0], (1,))[-1], 1)
        return 0


def _shapes(model: ModelProto) -> Iterator[tuple[str, Shape]]:
    inferred = shape_inference.infer_shapes(model).graph
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        axes = value.type.tensor_type.shape.dim[1:]
        if axes and all(axis.HasField("dim_value") for axis in axes):
            yield value.name, tuple(axis.dim_value for axis in axes)
