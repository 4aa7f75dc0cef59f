"""Run a graph while building, on seeded noise, to see what it does."""

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, helper, shape_inference

from service.errors import GraphError
from service.graphs.session import RUNTIME_ERRORS

BATCHES = (2, 3)
"""Two batch sizes tell a length that is fixed from one that follows the batch."""

TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64}
"""Element types that an image may have; float64 serves the checks, float32 everything else."""


def noise(session: onnxruntime.InferenceSession, batch: int) -> NDArray[np.generic]:
    """Make images of uniform noise for the only input of a graph.

    Args:
        session: The graph.
        batch: How many. The first ones are the same for every batch size.

    Returns:
        ``[batch, ...]`` in [0,1], in the input's element type.
    """
    image = session.get_inputs()[0]
    pixels = np.random.default_rng(0).uniform(size=[batch, *image.shape[1:]])
    return pixels.astype(TYPES[image.type])


def run(session: onnxruntime.InferenceSession, images: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
    """Run a graph whose only input is the image, if it reads it at all.

    Args:
        session: The graph.
        images: A batch.

    Returns:
        Every output, and the image, by name. Outputs that are no tensors are left out.

    Raises:
        GraphError: ONNX Runtime cannot run the graph on this batch.
    """
    feed = {entry.name: images for entry in session.get_inputs()}
    try:
        answers = session.run(None, feed)
    except RUNTIME_ERRORS as error:
        raise GraphError(f"ONNX Runtime cannot run the graph on {len(images)} images: {error}") from error
    named = {output.name: value for output, value in zip(session.get_outputs(), answers, strict=True)}
    return {name: value for name, value in (feed | named).items() if isinstance(value, np.ndarray)}


def with_every_tensor(model: ModelProto) -> ModelProto:
    """Copy a graph, with every tensor that a node computes as an output."""
    probe = ModelProto()
    probe.CopyFrom(model)
    typed = {value.name: value for value in shape_inference.infer_shapes(model).graph.value_info}
    present = {output.name for output in probe.graph.output}
    for node in model.graph.node:
        for name in node.output:
            if name and name not in present:
                probe.graph.output.append(typed.get(name) or helper.make_empty_tensor_value_info(name))
    return probe
