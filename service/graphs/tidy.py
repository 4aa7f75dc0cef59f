"""Remove from a graph what nothing asks for."""

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, numpy_helper


def remove_dead_nodes(model: ModelProto) -> None:
    """Drop, in place, nodes and weights from which no output is computed.

    Args:
        model: Its nodes are in order of computation.
    """
    graph = model.graph
    live = {output.name for output in graph.output}
    kept: list[NodeProto] = []
    for node in reversed(graph.node):
        if live.intersection(node.output):
            kept.append(node)
            live.update(read_by(node))
    used = [tensor for tensor in graph.initializer if tensor.name in live]
    described = [value for value in graph.value_info if value.name in live]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(used)
    graph.value_info.extend(described)


def skip_empty_borders(model: ModelProto) -> None:
    """Let nodes read past a Pad that pads nothing, in place; exporters leave them behind, and each costs a copy.

    Args:
        model: Its nodes are in order of computation.
    """
    pads = {node.input[1] for node in model.graph.node if node.op_type == "Pad"}
    zeros = {
        tensor.name
        for tensor in model.graph.initializer
        if tensor.name in pads and not numpy_helper.to_array(tensor).any()
    }
    outputs = {output.name for output in model.graph.output}
    source: dict[str, str] = {}
    for node in model.graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = source.get(name, name)
        if node.op_type == "Pad" and node.input[1] in zeros and node.output[0] not in outputs:
            source[node.output[0]] = node.input[0]
    remove_dead_nodes(model)


def keep_zero_borders(model: ModelProto) -> None:
    """State the axes of every Pad that a max pooling reads, in place: all of them, as if nothing were stated.

    ONNX Runtime 1.31 moves a border of zeros into the pooling, where it counts as minus infinity: another function
    where all that a window sees is negative. It leaves alone a Pad whose axes are stated.

    Args:
        model: At opset 18 or newer.
    """
    producers = {name: node for node in model.graph.node for name in node.output}
    for pooling in [node for node in model.graph.node if node.op_type == "MaxPool"]:
        border = producers.get(pooling.input[0])
        while border is not None and border.op_type in {"Cast", "Identity"}:
            border = producers.get(border.input[0])
        if border is None or border.op_type != "Pad" or len(border.input) > len(("x", "pads", "value")):
            continue
        kernel = next(entry.ints for entry in pooling.attribute if entry.name == "kernel_shape")
        name = f"{border.output[0]}/axes"
        axes = np.arange(2 + len(kernel))
        model.graph.initializer.append(numpy_helper.from_array(axes, name))
        border.input.extend([""] * (3 - len(border.input)) + [name])


def read_by(node: NodeProto) -> set[str]:
    """Name every tensor that a node reads, in its inner graphs too."""
    names = {name for name in node.input if name}
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            for inner in attribute.g.node:
                names |= read_by(inner)
    return names
