"""The shape and type of every tensor, found by running the graph instead of trusting symbolic inference."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from onnx import ModelProto, TensorProto, helper

from service.errors import GraphError
from service.graphs.probe import BATCHES, noise, run, with_every_tensor
from service.graphs.session import open_session

Shape: TypeAlias = tuple[int | None, ...]
"""One entry per axis; None where the length depends on the batch."""

ELEMENTS = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.float64): TensorProto.DOUBLE}
"""The real types that we compute in, as ONNX numbers them."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of every tensor of a graph.

    Args:
        shapes: By tensor name.
        types: Element type by tensor name.
        declared: Shapes as a file states them, by tensor name: lengths that follow the batch are multiples of N.
    """

    shapes: Mapping[str, Shape]
    types: Mapping[str, np.dtype[np.generic]]
    declared: Mapping[str, tuple[int | str, ...]] = field(default_factory=dict)


def measure(model: ModelProto) -> Facts:
    """Run a classifier at batch 2 and 3 and note the shape and type of every tensor.

    Args:
        model: One input ``image [N,3,H,W]`` with N symbolic and H, W fixed.

    Returns:
        Shapes and types of the input, of every node's outputs and of the initialisers.

    Raises:
        GraphError: ONNX Runtime cannot run the graph, or not at these batch sizes.
    """
    session = open_session(with_every_tensor(model), optimise=False)
    first, second = (run(session, noise(session, batch)) for batch in BATCHES)
    shapes: dict[str, Shape] = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    types = {
        tensor.name: np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
        for tensor in model.graph.initializer
    }
    for name, one in first.items():
        if one.ndim != second[name].ndim:
            raise GraphError(f"tensor {name!r} changes its number of axes with the batch", where=name)
        shapes[name] = tuple(
            a if a == b else None for a, b in zip(one.shape, second[name].shape, strict=True)
        )
        types[name] = one.dtype
    declared = {name: tuple(map(_declared, one.shape, second[name].shape)) for name, one in first.items()}
    return Facts(shapes, types, {name: shape for name, shape in declared.items() if "?" not in shape})


def _declared(first: int, second: int) -> int | str:
    """Name a length by what it was at both batch sizes; a question mark if it is no multiple of the batch."""
    if first == second:
        return first
    times = first // BATCHES[0]
    if (first, second) != (times * BATCHES[0], times * BATCHES[1]):
        return "?"
    return "N" if times == 1 else f"{times}N"
