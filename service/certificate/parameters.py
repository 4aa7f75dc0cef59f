"""Which tensors of a classifier were learnt, layer by layer, from the logits down."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from onnx import ModelProto, NodeProto, TensorProto

from service.errors import GraphError

WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Layers with a weight matrix. What acts on the image before the first of them is preprocessing, not learnt."""

NORMALISATIONS = frozenset(
    {"BatchNormalization", "InstanceNormalization", "LayerNormalization", "GroupNormalization"}
)
"""Their inputs after the first are scale, shift and, for batches, running mean and variance."""

RECTIFIERS = frozenset(
    {
        "Relu",
        "Clip",
        "LeakyRelu",
        "PRelu",
        "Elu",
        "Celu",
        "Selu",
        "ThresholdedRelu",
        "Gelu",
        "HardSwish",
        "Mish",
    }
)
"""Let about half of a centred signal's power through."""

PASSING = frozenset(
    {"AveragePool", "Dropout", "Flatten", "GlobalAveragePool", "Identity", "MaxPool", "Pad", "ReduceMean"}
    | {"Reshape", "Squeeze", "Transpose", "Unsqueeze"}
)
"""What stands between a rectifier and the layer behind it without changing that."""

_SETTINGS = frozenset({"Resize", "Upsample", "Pad", "Slice", "Clip", "Range", "RoiAlign"})
"""Their constant inputs say how they work; nothing of it was learnt."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A node with its learnt tensors.

    Args:
        operator: Such as ``Conv``.
        tensors: Names of its parameters, in the order of its inputs.
        behind_rectifier: Whether its input comes out of a rectifier.
        groups: Of a convolution; 1 otherwise.
        transposed: Whether a ``Gemm`` reads its weight as ``[outputs, inputs]``.
        positions: Which input of the node each of the tensors is.
    """

    operator: str
    tensors: tuple[str, ...]
    behind_rectifier: bool = False
    groups: int = 1
    transposed: bool = False
    positions: tuple[int, ...] = ()


def layers_from_top(model: ModelProto) -> tuple[Layer, ...]:
    """List the layers from the logits down to the image.

    A parameter is a float tensor of more than one element that meets the image's signal at or after the first
    weighted layer; a tensor that several nodes share belongs to the uppermost. The order is the reverse of the
    graph's, which ONNX keeps topological: no layer comes before one that depends on it.

    Args:
        model: A classifier as :func:`service.graphs.prepare.prepare` returns it.

    Raises:
        GraphError: The classifier has no parameters.
    """
    graph = model.graph
    learnt = {
        tensor.name: tensor
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT and _elements(tensor) > 1
    }
    producers = {name: node for node in graph.node for name in node.output}
    found: list[Layer] = []
    taken: set[str] = set()
    for node in reversed(list(_after_preprocessing(graph.node))):
        origins = [_origin(name, producers) for name in node.input]
        tensors = tuple(dict.fromkeys(name for name in origins if name in learnt and name not in taken))
        if tensors and node.op_type not in _SETTINGS:
            taken.update(tensors)
            positions = tuple(origins.index(name) for name in tensors)
            found.append(_layer(node, tensors, positions, producers))
    if not found:
        raise GraphError("the classifier has no learnt parameters, so there is nothing to randomise")
    return tuple(found)


def _after_preprocessing(nodes: Iterator[NodeProto]) -> Iterator[NodeProto]:
    """Yield the nodes that the image reaches, from the first weighted layer on."""
    reached, weighted = {"image"}, set[str]()
    for node in nodes:
        if not reached.intersection(node.input):
            continue
        reached.update(node.output)
        if node.op_type in WEIGHTED or weighted.intersection(node.input):
            weighted.update(node.output)
            yield node


def _layer(
    node: NodeProto, tensors: tuple[str, ...], positions: tuple[int, ...], producers: Mapping[str, NodeProto]
) -> Layer:
    attributes = {attribute.name: attribute.i for attribute in node.attribute}
    return Layer(
        node.op_type,
        tensors,
        behind_rectifier=_is_rectified(node.input[0], producers),
        groups=int(attributes.get("group", 1)),
        transposed=bool(attributes.get("transB", 0)),
        positions=positions,
    )


def _is_rectified(name: str, producers: Mapping[str, NodeProto]) -> bool:
    while name in producers and producers[name].op_type in PASSING:
        name = producers[name].input[0]
    return name in producers and producers[name].op_type in RECTIFIERS


def _origin(name: str, producers: Mapping[str, NodeProto]) -> str:
    """Follow a tensor through what only rearranges it, to the initialiser that it is."""
    while name in producers and producers[name].op_type in {
        "Cast",
        "Identity",
        "Reshape",
        "Transpose",
        "Unsqueeze",
    }:
        name = producers[name].input[0]
    return name


def _elements(tensor: TensorProto) -> int:
    count = 1
    for length in tensor.dims:
        count *= length
    return count
