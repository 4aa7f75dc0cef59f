"""Begin to write a derivative: a copy of the classifier, what is known of it, and the cotangent as an input."""

from onnx import ModelProto, helper

from service.graphs.facts import ELEMENTS, Facts
from service.graphs.tape import Tape

PREFIX = "vjp"
"""Names of new tensors start with it: vector-Jacobian product."""


def copy(model: ModelProto) -> ModelProto:
    """Copy a model, so that the caller's stays as it is."""
    copied = ModelProto()
    copied.CopyFrom(model)
    return copied


def begin(model: ModelProto, facts: Facts) -> Tape:
    """Add the input ``cotangent [N,C]`` to a classifier, in place.

    Args:
        model: A prepared classifier.
        facts: Of its tensors.

    Returns:
        The tape that writes behind it.
    """
    dtype = facts.types["image"]
    classes = facts.shapes["logits"][1]
    model.graph.input.append(helper.make_tensor_value_info("cotangent", ELEMENTS[dtype], ["N", classes]))
    return Tape(model, facts, dtype, PREFIX)
