"""Derivative of resizing."""

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

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
    result = step.dy
    inputs, outputs = spatial_lengths(step, step.x), spatial_lengths(step, step.y)
    for axis, (before, after) in enumerate(zip(inputs, outputs, strict=True)):
        if before != after:
            result = adjoint_along(result, axis - 2, _matrix(step, axis, before, after))
    return (result,)


def _matrix(step: Step, axis: int, before: int, after: int) -> NDArray[np.floating]:
    """Find the matrix ``[after, before]`` of one axis by resizing every unit vector along it."""
    units = np.eye(before, dtype=np.float32)
    shape = [before, 1, 1, 1]
    shape[2 + axis] = before
    lengths = [before, 1, 1, 1]
    lengths[2 + axis] = after
    scale = _scale(step, 2 + axis)
    scales = np.ones(IMAGE_AXES, np.float32)
    if scale is not None:
        scales[2 + axis] = scale
    model = _one_node(
        _plain(step.node, by_size=scale is None),
        shape,
        scales if scale is not None else np.array(lengths, np.int64),
    )
    (resized,) = open_session(model, optimise=False).run(None, {"x": units.reshape(shape)})
    return np.asarray(resized, np.float32).reshape(before, after).T


def _scale(step: Step, axis: int) -> float | None:
    """Read one axis's scale; None if the node states sizes instead."""
    if not step.has(2):
        return None
    scales = step.input(2).value
    if scales is None:
        raise step.unsupported("its scales are computed; constants were expected")
    if scales.size == 0:
        return None
    axes = step.integers("axes", range(step.x.rank))
    return float(scales[[a % step.x.rank for a in axes].index(axis)])


def _plain(node: NodeProto, *, by_size: bool) -> NodeProto:
    """The node alone, for four axes, with one of its two ways to state the result."""
    inputs = ["x", "", "", "result"] if by_size else ["x", "", "result"]
    plain = helper.make_node("Resize", inputs, ["y"])
    dropped = {"axes", "keep_aspect_ratio_policy"}
    plain.attribute.extend(found for name, found in attributes_of(node).items() if name not in dropped)
    return plain


def _one_node(node: NodeProto, shape: list[int], result: NDArray[np.generic]) -> ModelProto:
    graph = helper.make_graph(
        [node],
        "resize",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(result, "result")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
