"""Replace what a graph computes from shapes alone by its value, wherever that value is the same at every batch."""

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, helper, numpy_helper

from service.graphs.probe import BATCHES, noise, run
from service.graphs.session import open_session
from service.graphs.tidy import read_by, remove_dead_nodes

LARGEST = 4096
"""Entries; a larger tensor would cost more in the file than the nodes that compute it."""


def fold_known(model: ModelProto) -> None:
    """Turn shape arithmetic into constants, in place.

    Exporters write ``Shape -> Gather -> Mul -> Concat -> Reshape`` where a number would do. Such tensors never see
    a pixel, only lengths; the ones that agree at two batch sizes are lengths of fixed axes.

    Args:
        model: A classifier with the input ``image``, batch symbolic, height and width fixed.

    Raises:
        GraphError: ONNX Runtime cannot run the graph.
    """
    names = sorted(_blind_tensors(model))
    if not names:
        return
    probe = ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    remove_dead_nodes(probe)
    session = open_session(probe, optimise=False)
    first, second = (run(session, noise(session, batch)) for batch in BATCHES)
    fixed = {name: first[name] for name in names if _same(first[name], second[name])}
    kept = [node for node in model.graph.node if not set(node.output) <= set(fixed)]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    present = {name for node in kept for name in node.output}
    model.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in fixed.items() if name not in present
    )
    remove_dead_nodes(model)


def _blind_tensors(model: ModelProto) -> set[str]:
    """Name the computed tensors that no pixel can change."""
    constants = {tensor.name for tensor in model.graph.initializer}
    blind: set[str] = set()
    for node in model.graph.node:
        if node.op_type in {"Shape", "Size"} or (node.input and read_by(node) <= constants | blind):
            blind.update(name for name in node.output if name)
    return blind


def _same(first: NDArray[np.generic], second: NDArray[np.generic]) -> bool:
    return first.size <= LARGEST and np.array_equal(first, second)
