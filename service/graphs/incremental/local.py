"""Which operators of a graph are local: each place of their output sees the places around it, and no others."""

from dataclasses import dataclass
from typing import Final

from onnx import ModelProto, NodeProto, helper

from service.graphs.elementwise import ELEMENTWISE
from service.graphs.incremental.known import Known, Shape
from service.graphs.incremental.sliding import Sliding

MAP_AXES: Final = 4
"""Batch, channels, height, width."""

KEEPS_PLACES: Final = ELEMENTWISE | {"BatchNormalization", "Concat"}
"""Operators that keep every place where it is, if what they read is as large as what they give or has no extent."""

SLIDING: Final = frozenset({"Conv", "MaxPool", "AveragePool"})


@dataclass(frozen=True, slots=True)
class Local:
    """An operator that looks at the places around each place.

    Args:
        node: The operator.
        reads: Those of its inputs that depend on the image.
        gives: Its output.
        shape: Channels, height and width of the output.
        down: What it does along the height.
        right: What it does along the width.
    """

    node: NodeProto
    reads: tuple[str, ...]
    gives: str
    shape: Shape
    down: Sliding
    right: Sliding


def local_operators(model: ModelProto, known: Known) -> dict[str, Local]:
    """Follow the image through a classifier as far as operators are local.

    Args:
        model: Prepared; its weights may lie elsewhere.
        known: Of it.

    Returns:
        The operators by their output, in the order of computation.
    """
    found: dict[str, Local] = {}
    for node in model.graph.node:
        reads = known.reads(node)
        if not reads or any(name != "image" and name not in found for name in reads):
            continue
        local = _local(node, reads, known)
        if local is not None:
            found[local.gives] = local
    return found


def _local(node: NodeProto, reads: tuple[str, ...], known: Known) -> Local | None:
    shapes = [known.shapes.get(name) for name in (*reads, node.output[0])]
    if len(node.output) != 1 or any(shape is None or len(shape) != MAP_AXES - 1 for shape in shapes):
        return None
    *given, made = (shape for shape in shapes if shape is not None)
    slides = _slides(node, given, made, known)
    if slides is None:
        return None
    return Local(node, reads, node.output[0], made, *slides)


def _slides(node: NodeProto, given: list[Shape], made: Shape, known: Known) -> tuple[Sliding, Sliding] | None:
    if node.op_type in SLIDING:
        if node.op_type == "Conv" and node.input[1] not in known.constants:
            return None
        return _window(node, given[0], made, known)
    if node.op_type == "Pad":
        return _border(node, given[0], made, known)
    if node.op_type not in KEEPS_PLACES or any(shape[1:] != made[1:] for shape in given):
        return None
    per_channel = node.op_type == "BatchNormalization"
    flat = per_channel or all(
        _without_extent(known.constants[name]) for name in node.input if name in known.constants
    )
    channels = node.op_type != "Concat" or helper.get_node_attr_value(node, "axis") in {1, 1 - MAP_AXES}
    return (Sliding(), Sliding()) if flat and channels else None


def _window(node: NodeProto, given: Shape, made: Shape, known: Known) -> tuple[Sliding, Sliding] | None:
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    kernel = attributes.get("kernel_shape") or known.constants[node.input[1]][2:]
    strides = attributes.get("strides", [1, 1])
    dilations = attributes.get("dilations", [1, 1])
    rule = attributes.get("auto_pad", b"NOTSET").decode()
    slides = []
    for axis in range(2):
        extent, lengths = (kernel[axis] - 1) * dilations[axis] + 1, (given[1 + axis], made[1 + axis])
        before = attributes.get("pads", [0] * 4)[axis]
        if rule.startswith("SAME"):
            both = max((lengths[1] - 1) * strides[axis] + extent - lengths[0], 0)
            before = both // 2 if rule == "SAME_UPPER" else both - both // 2
        if (lengths[1] - 1) * strides[axis] - before >= lengths[0]:
            return None  # rounded up to a window behind the image: ONNX infers that one, ONNX Runtime leaves it out
        slides.append(Sliding.observed(extent, strides[axis], before, lengths))
    return slides[0], slides[1]


def _border(node: NodeProto, given: Shape, made: Shape, known: Known) -> tuple[Sliding, Sliding] | None:
    """A border of a constant around height and width; others repeat what lies within, which may change.

    Not one whose axes are some of all: ONNX Runtime 1.31, where it moves a transposition over such a Pad, looks for
    the lengths of all axes in its list.
    """
    mode = next((entry.s for entry in node.attribute if entry.name == "mode"), b"constant")
    pads = known.integers.get(node.input[1])
    stated = len(node.input) > len(("x", "pads", "value")) and node.input[3]
    axes = known.integers.get(node.input[3]) if stated else range(MAP_AXES)
    if mode != b"constant" or pads is None or axes is None or len(axes) != MAP_AXES or given[0] != made[0]:
        return None
    before = dict(zip((axis % MAP_AXES for axis in axes), pads, strict=False))
    down, right = (
        Sliding.observed(1, 1, before[2 + axis], (given[1 + axis], made[1 + axis])) for axis in range(2)
    )
    return down, right


def _without_extent(shape: Shape) -> bool:
    return all(length == 1 for length in shape[-2:]) if len(shape) != 1 else shape[0] == 1
