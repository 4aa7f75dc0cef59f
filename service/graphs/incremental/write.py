"""Write the graph of the recomputation: a classifier that takes pieces instead of images."""

from typing import Final

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from service.graphs.incremental.cuts import Cut
from service.graphs.start import copy

PREFIX: Final = "piece"
"""Names of new tensors start with it."""


def incremental_graph(model: ModelProto, found: Cut) -> ModelProto:
    """Let every stretch of a classifier, and its rest, read a piece put together of places of two maps.

    A map is a table here, with a row of all channels for every place. For stretch k the graph takes a table
    ``base_k [P,C]``, such as what the stretch before gives for the whole image, puts what that stretch gives now behind
    it, and picks rows of both. Before the first stretch ``base_0`` alone has the pixels. Which rows is told by two
    candidates per place, each the sum of one number of its row and one of its column of the piece: ``down_k [2,N,h,1]``
    and ``right_k [2,N,1,w]``. The larger sum is taken: so a row or a column without a second candidate says so by a
    number below zero.

    Args:
        model: A prepared classifier; its weights may lie elsewhere. It is not changed.
        found: Where to cut it.

    Returns:
        A graph with the inputs ``base_0, down_0, right_0, base_1, ...`` and the outputs ``logits [N,C]`` and
        ``table_1 [N*h*w,C], ...``: what every stretch gives.
    """
    graph = copy(model)
    nodes = list(graph.graph.node)
    del graph.graph.node[:], graph.graph.input[:], graph.graph.value_info[:]
    graph.graph.initializer.extend(_constants(found))
    cuts = {one.target: number for number, one in enumerate(found.stretches, start=1)}
    graph.graph.node.extend(_piece(0))
    inside = {"image": f"{PREFIX}_0"}
    for node in nodes:
        for position, name in enumerate(node.input):
            node.input[position] = inside.get(name, name)
        graph.graph.node.append(node)
        for name in node.output:
            if name in cuts:
                graph.graph.node.extend(_table(name, cuts[name]))
                graph.graph.node.extend(_piece(cuts[name]))
                inside[name] = f"{PREFIX}_{cuts[name]}"
    for number, (channels, *_) in enumerate(found.shapes):
        graph.graph.input.extend(_inputs(number, channels))
        if number:
            graph.graph.output.append(_float(f"table_{number}", [f"R{number}", channels]))
    return graph


def _piece(number: int) -> list[NodeProto]:
    """Pick places of a table, and give them the shape of a map."""

    def own(name: str) -> str:
        return f"{PREFIX}_{name}_{number}"

    table, join = f"base_{number}", []
    if number:  # before the first stretch nothing is computed
        join = [helper.make_node("Concat", [table, f"table_{number}"], [own("joined")], axis=0)]
        table = own("joined")
    return [
        *join,
        helper.make_node("Add", [f"down_{number}", f"right_{number}"], [own("candidates")]),
        helper.make_node("ReduceMax", [own("candidates"), f"{PREFIX}_axis"], [own("places")], keepdims=0),
        helper.make_node("Gather", [table, own("places")], [own("picked")], axis=0),
        helper.make_node("Transpose", [own("picked")], [f"{PREFIX}_{number}"], perm=[0, 3, 1, 2]),
    ]


def _table(name: str, number: int) -> list[NodeProto]:
    """Give a map the shape of a table."""
    standing = f"{PREFIX}_channels_last_{number}"
    return [
        helper.make_node("Transpose", [name], [standing], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", [standing, f"{PREFIX}_shape_{number}"], [f"table_{number}"]),
    ]


def _constants(found: Cut) -> list[TensorProto]:
    shapes = [
        numpy_helper.from_array(np.array([-1, one.made[0]], np.int64), f"{PREFIX}_shape_{number}")
        for number, one in enumerate(found.stretches, start=1)
    ]
    return [numpy_helper.from_array(np.array([0], np.int64), f"{PREFIX}_axis"), *shapes]


def _inputs(number: int, channels: int) -> list[ValueInfoProto]:
    height, width = f"h{number}", f"w{number}"
    return [
        _float(f"base_{number}", [f"P{number}", channels]),
        helper.make_tensor_value_info(f"down_{number}", TensorProto.INT64, [2, "N", height, 1]),
        helper.make_tensor_value_info(f"right_{number}", TensorProto.INT64, [2, "N", 1, width]),
    ]


def _float(name: str, shape: list[str | int]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
