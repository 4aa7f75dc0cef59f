"""Derivative of resizing."""

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from service.graphs.rules.broadcast import SPATIAL_AXES
from service.graphs.rules.separable import adjoint_along
from service.graphs.rules.window import spatial_lengths
from service.graphs.session import open_session
from service.graphs.step import Cotangents, Step, rule
from service.graphs.tape import attributes_of

IMAGE_AXES = 4


@rule("Resize")
def resize(step: Step) -> Cotangents:
    """``y = A x B'``, one fixed matrix per spatial axis;  ``dx = A' dy B``, in every mode of interpolation."""
    if step.x.rank != IMAGE_AXES or step.x.shape[1] != step.y.shape[1]:
        raise step.unsupported("it resizes other axes than height and width")
    if step.text("coordinate_transformation_mode", "") == "tf_crop_and_resize":
        raise step.unsupported("it crops while it resizes")
    inputs, outputs = spatial_lengths(step, step.x), spatial_lengths(step, step.y)
    if inputs == outputs:  # ONNX Runtime then copies, whatever the scales
        return (step.dy,)
    result = step.dy
    for axis, length in enumerate(inputs):
        matrix = _matrix(step, axis, inputs, outputs)
        if not np.array_equal(matrix, np.eye(length)):
            result = adjoint_along(result, axis - 2, matrix)
    return (result,)


def _matrix(step: Step, axis: int, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> NDArray[np.floating]:
    """Find the matrix ``[after, before]`` of one axis by resizing every unit vector along it, alike along the other.

    The whole node is run, because a scale can depend on both axes (``keep_aspect_ratio_policy``), and be another than
    1 where the length stays.
    """
    before = inputs[axis]
    units = np.eye(before, dtype=np.float32).reshape(before, 1, *((before, 1) if axis == 0 else (1, before)))
    images = np.broadcast_to(units, (before, 1, *inputs))
    model = _one_node(step, images.shape, outputs)
    (resized,) = open_session(model, optimise=False).run(None, {"x": np.ascontiguousarray(images)})
    planes = np.asarray(resized, np.float32)[:, 0]
    return (planes[:, :, 0] if axis == 0 else planes[:, 0]).T


def _one_node(step: Step, shape: tuple[int, ...], outputs: tuple[int, ...]) -> ModelProto:
    """Put the node alone into a graph, for height and width alone, as far as it names them."""
    named = [axis % step.x.rank for axis in step.integers("axes", range(step.x.rank))]
    axes = [axis for axis in SPATIAL_AXES if axis in named]
    scales = _constant(step, 2, named, axes)
    stretched = step.text("keep_aspect_ratio_policy", "stretch") == "stretch"
    sizes = np.array([outputs[axis - 2] for axis in axes]) if stretched else _constant(step, 3, named, axes)
    inputs, result = (["x", "", "result"], scales) if scales is not None else (["x", "", "", "result"], sizes)
    if result is None:
        raise step.unsupported("its result keeps the aspect ratio of sizes that are not stated")
    node = helper.make_node("Resize", inputs, ["y"], axes=axes)
    node.attribute.extend(found for name, found in attributes_of(step.node).items() if name != "axes")
    graph = helper.make_graph(
        [node],
        "resize",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(result, "result")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _constant(step: Step, index: int, named: list[int], axes: list[int]) -> NDArray[np.generic] | None:
    """Read the scales or sizes of some of the axes that the node names; None if it has none.

    Raises:
        UnsupportedOperatorError: They are computed.
    """
    if not step.has(index):
        return None
    found = step.input(index).value
    if found is None:
        raise step.unsupported("its scales or sizes are computed; constants were expected")
    return None if found.size == 0 else found[[named.index(axis) for axis in axes]]
