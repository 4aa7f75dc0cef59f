"""Bring a model to the one operator set that every graph has."""

from collections.abc import Iterator

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, defs, helper, version_converter

from service.errors import GraphError
from service.graphs.expansions import EXPANSIONS
from service.graphs.facts import measure
from service.graphs.step import Step
from service.graphs.tape import Tape

OLDEST_OPSET = 13
"""Older files mean other things by the same operators (ReduceSum, Softmax, Squeeze, ...)."""

OPSET = 18
"""The newest operator set of which ONNX Runtime's CUDA provider has every operator that we write.

It matches a kernel that is registered without a last version to exactly one version of the operator; at 19 and 20
that loses Pad, ReduceMax, ReduceMin and ConstantOfShape, at 22 ConvTranspose and MaxPool (tests/kernels.py).
"""

STANDARD = frozenset({"", "ai.onnx"})
"""Both names of the standard operators' domain."""

MEANS_MORE = frozenset({"DFT", "GroupNormalization"})
"""Operators that newer sets define otherwise; all others that both sets have differ in element types alone,
and in attributes that newer sets add."""

NEUTRAL = {
    "block_size": 0,
    "output_dtype": 0,
    "precision": 0,
    "round_mode": "up",
    "saturate": 1,
    "stash_type": 1,
}
"""Added attributes at the value that means what the operator meant before."""

NEW_MODES = frozenset({"half_pixel_symmetric", "wrap"})
"""Values that newer sets add to attributes of Resize and Pad."""


RUNTIME_OPERATORS = frozenset({"LayerNormalization", "SimplifiedLayerNormalization"})
"""Operators that ONNX Runtime runs in the standard domain whatever the operator set, also where that lacks them."""

ASIDE = "aside"
"""The domain in which those wait while the converter, which does not know them in older sets, does the others. Nothing
uses it afterwards, so cleaning up drops it."""

PREFIX = "older"
"""Names of tensors start with it that replace an operator's newer form."""


def opset_of(model: ModelProto) -> int:
    """Read which standard operator set a model uses; 0 if it names none."""
    return next((entry.version for entry in model.opset_import if entry.domain in STANDARD), 0)


def raise_opset(model: ModelProto) -> ModelProto:
    """Bring an older model to the operator set; newer ones are left for :func:`lower_opset`.

    Args:
        model: Opset 13 or newer. Use what is returned in its place.

    Returns:
        The model at ``OPSET``, or as it was if newer.

    Raises:
        GraphError: It is too old, or has an operator that cannot be brought up.
    """
    opset = opset_of(model)
    if opset < OLDEST_OPSET:
        raise GraphError(f"the model has opset {opset}; {OLDEST_OPSET} or newer is needed: export it again")
    if opset >= OPSET:
        return model
    for node in _nodes(model.graph):
        if node.domain in STANDARD:
            _set_aside(node, opset)
    model.opset_import.append(helper.make_opsetid(ASIDE, 1))
    try:
        raised = version_converter.convert_version(model, OPSET)
    except (RuntimeError, version_converter.ConvertError) as error:
        raise GraphError(
            f"opset {opset} cannot be brought to {OPSET}; export the model with opset {OPSET}: {error}"
        ) from error
    for node in _nodes(raised.graph):
        node.domain = "" if node.domain == ASIDE else node.domain
    return raised


def lower_opset(model: ModelProto) -> None:
    """Bring a newer model to the operator set, in place.

    Operators that are new since are written as older ones (:mod:`service.graphs.expansions`); of the others only
    the version number changes.

    Args:
        model: A classifier with the ends ``image`` and ``logits``, batch symbolic.

    Raises:
        GraphError: An operator means something that the older set cannot say.
    """
    opset = opset_of(model)
    if opset <= OPSET:
        return
    nodes = list(model.graph.node)
    facts = measure(model)
    del model.graph.node[:]
    tape = Tape(model, facts, facts.types["image"], PREFIX)
    for node in nodes:
        expansion = EXPANSIONS.get(node.op_type)
        if expansion is not None and node.domain in STANDARD and _changed(node, opset):
            result = expansion(Step(tape, node, (), frozenset()))
            model.graph.node.append(helper.make_node("Identity", [result.name], [node.output[0]]))
            continue
        if node.domain in STANDARD and _changed(node, opset):
            _lower(node, opset)
        model.graph.node.append(node)
    for entry in model.opset_import:
        if entry.domain in STANDARD:
            entry.version = OPSET


def _set_aside(node: NodeProto, opset: int) -> None:
    """Hide a node from the converter if only ONNX Runtime knows it; refuse one that nobody knows."""
    if node.op_type in RUNTIME_OPERATORS and not defs.has(node.op_type, opset):
        node.domain = ASIDE
    elif not defs.has(node.op_type, opset):
        raise GraphError(
            f"operator {node.op_type} (node {node.name!r}) is not in opset {opset}, which the file states; export the "
            f"model with opset {OPSET}",
            where=node.name,
        )


def _nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """Give the nodes of a graph and of its inner graphs."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from _nodes(attribute.g)


def _changed(node: NodeProto, opset: int) -> bool:
    """Tell whether a newer set defined an operator anew; what only ONNX Runtime knows has no sets."""
    return defs.has(node.op_type, opset) and bool(defs.get_schema(node.op_type, opset).since_version > OPSET)


def _lower(node: NodeProto, opset: int) -> None:
    """Drop from a node what the older set does not know, if it says nothing."""
    if not defs.has(node.op_type, OPSET) or node.op_type in MEANS_MORE:
        raise _unknown(node, opset, "the operator")
    known = set(defs.get_schema(node.op_type, OPSET).attributes)
    for attribute in list(node.attribute):
        value = helper.get_attribute_value(attribute)
        value = value.decode() if isinstance(value, bytes) else value
        if isinstance(value, str) and value in NEW_MODES:
            raise _unknown(node, opset, f"{attribute.name}={value}")
        if attribute.name in known:
            continue
        if value != NEUTRAL.get(attribute.name) and not _all_ones(value):
            raise _unknown(node, opset, f"{attribute.name}={value}")
        node.attribute.remove(attribute)


def _all_ones(value: object) -> bool:
    """Tell a list of dilations that dilates nothing."""
    return isinstance(value, list) and set(value) == {1}


def _unknown(node: NodeProto, opset: int, what: str) -> GraphError:
    return GraphError(
        f"operator {node.op_type} (node {node.name!r}): {what} of opset {opset} cannot be said in opset {OPSET}; "
        f"export the model with opset {OPSET}",
        where=node.name,
    )
