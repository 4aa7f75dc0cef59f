"""The derivative of any operator that moves elements about, whatever its attributes."""

import numpy as np
from onnx import AttributeProto, helper

from service.graphs.step import Step
from service.graphs.tape import Tensor


def scatter_back(step: Step) -> Tensor:
    """Add every entry of dy to where it came from.

    The operator is run on a tensor that holds each element's own position; what comes out says, for every entry of
    the output, which input it is. That holds for any Gather, Slice or Tile; it costs one pass over indices.

    Args:
        step: A node whose first input is moved, and whose other inputs do not depend on the image.

    Returns:
        The cotangent of the first input.
    """
    tape, x = step.tape, step.x
    count = x.apply("Size")
    one, zero = tape.constant(1, np.int64), tape.constant(0, np.int64)
    positions = tape.apply("Reshape", tape.apply("Range", zero, count, one), x.apply("Shape"))
    others = [step.input(i) if step.has(i) else None for i in range(1, len(step.node.input))]
    source = tape.apply(step.node.op_type, positions, *others, **_attributes(step)).reshape(-1)
    zeros = tape.real(0.0).apply("Expand", count.reshape(1))
    added = zeros.apply("ScatterElements", source, step.dy.reshape(-1), axis=0, reduction="add")
    return added.apply("Reshape", x.apply("Shape"))


def _attributes(step: Step) -> dict[str, int | str]:
    """Copy the node's attributes; operators that move elements have integers and words only."""
    return {
        attribute.name: attribute.i
        if attribute.type == AttributeProto.INT
        else helper.get_attribute_value(attribute).decode()
        for attribute in step.node.attribute
    }
