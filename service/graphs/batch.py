"""Free a classifier's batch size, where an export has fixed it, and check that images do not see each other."""

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from service.errors import GraphError
from service.graphs.probe import BATCHES, noise, run, with_every_tensor
from service.graphs.session import open_session

AGREEMENT = 1e-3
"""Largest difference of logits that counts as none, relative to their size.

Sums in another order differ by 1e-6 or so; an image that sees its neighbours differs by 1e-1.
"""


def free_batch(model: ModelProto) -> None:
    """Make the batch symbolic, in place.

    An export for one batch size writes that size into the targets of Reshape and into constants that Concat joins to
    every image. Both are rewritten; :func:`check_batch` then compares the result with the original.

    Args:
        model: The input ``image`` and the output ``logits``.

    Raises:
        GraphError: The batch size cannot be freed.
    """
    axis = model.graph.input[0].type.tensor_type.shape.dim[0]
    fixed = axis.dim_value or 1
    axis.dim_param = "N"
    if not _runs(model):
        axis.dim_value = fixed
        session = open_session(with_every_tensor(model), optimise=False)
        shapes = {name: value.shape for name, value in run(session, noise(session, fixed)).items()}
        _rewrite(model, fixed, shapes)
        axis.dim_param = "N"
        if not _runs(model):
            raise GraphError(
                f"the batch size is fixed at {fixed} inside the graph; export it with a dynamic batch",
                where="image",
            )


def check_batch(model: ModelProto, original: ModelProto) -> None:
    """Check that images in a batch get the logits that the original gives them, and get them again.

    Random numbers alone do not show by comparing: both begin with the same seed.

    Args:
        model: With a symbolic batch.
        original: As it was exported, with the same ends; it is run as it is, without ONNX Runtime's optimisations.

    Raises:
        GraphError: They do not, as with batch normalisation in training mode.
    """
    fixed = original.graph.input[0].type.tensor_type.shape.dim[0].dim_value or 1
    session, reference = open_session(model, optimise=True), open_session(original, optimise=False)
    images = noise(session, max(*BATCHES, fixed))
    together = run(session, images)["logits"]
    if not _agree(run(session, images)["logits"], together):
        raise _unsteady()
    for start in range(0, len(images) - fixed + 1, fixed):
        piece = slice(start, start + fixed)
        expected = run(reference, images[piece])["logits"]
        if not _agree(together[piece], expected):
            raise _unsteady()


def _unsteady() -> GraphError:
    return GraphError(
        "an image's logits change with the other images of the batch or from run to run (batch "
        "normalisation or dropout in training mode?); export the model in evaluation mode and with a dynamic batch"
    )


def _runs(model: ModelProto) -> bool:
    """Tell whether it gives as many rows as it is given images, one image included."""
    try:
        session = open_session(model, optimise=True)
        return all(len(run(session, noise(session, batch))["logits"]) == batch for batch in (1, *BATCHES))
    except GraphError:
        return False


def _rewrite(model: ModelProto, fixed: int, shapes: dict[str, tuple[int, ...]]) -> None:
    """Let every Reshape infer its first axis, and let constants that are joined to images follow the batch."""
    constants = {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        if node.op_type == "Reshape" and node.input[1] in constants and node.input[0] not in constants:
            target = np.array([-1, *shapes[node.output[0]][1:]], np.int64)
            node.input[1] = _add_constant(model, target, f"{node.output[0]}/any_batch")
        elif node.op_type == "Concat" and fixed == 1 and not constants.keys() >= set(node.input):
            for position, name in enumerate(node.input):
                if name in constants:
                    nodes.extend(_repeat(model, name, constants[name], f"{node.output[0]}/{position}"))
                    node.input[position] = nodes[-1].output[0]
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _repeat(model: ModelProto, constant: str, rank: int, name: str) -> list[NodeProto]:
    """Write the nodes that repeat a constant ``[1, ...]`` along the batch of the image."""
    ones = _add_constant(model, np.ones(rank - 1, np.int64), f"{name}/ones")
    return [
        helper.make_node("Shape", ["image"], [f"{name}/batch"], start=0, end=1),
        helper.make_node("Concat", [f"{name}/batch", ones], [f"{name}/shape"], axis=0),
        helper.make_node("Expand", [constant, f"{name}/shape"], [f"{name}/repeated"]),
    ]


def _add_constant(model: ModelProto, value: NDArray[np.int64], name: str) -> str:
    model.graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def _agree(found: NDArray[np.generic], expected: NDArray[np.generic]) -> bool:
    size = float(np.max(np.abs(expected), initial=0))
    difference = np.max(np.abs(np.subtract(found, expected)), initial=0)
    return bool(difference <= AGREEMENT * size) or not np.isfinite(size)
