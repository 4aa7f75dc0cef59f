"""Turn the ONNX classifier that somebody brings into the one form that everything else expects."""

from collections.abc import Sequence

from onnx import ModelProto, checker, helper, inliner

from service.errors import GraphError
from service.graphs.axes import AxisOrder
from service.graphs.batch import check_batch, free_batch
from service.graphs.interface import (
    check_logits,
    choose_image,
    choose_logits,
    cut_probabilities,
    normalise,
    rename,
    settle_logits,
)
from service.graphs.known import fold_known
from service.graphs.opset import lower_opset, raise_opset
from service.graphs.session import fold
from service.graphs.tidy import keep_zero_borders, remove_dead_nodes, skip_empty_borders

IR_VERSION = 10
"""A file format old enough for every ONNX Runtime that runs the opset."""

RESERVED_NAMES = ("cotangent", "gradient", "features", "feature_gradient")
"""Inputs and outputs of the derivative; tensors of the classifier that are called so get another name."""

RUNNABLE_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Operator domains that ONNX Runtime brings along."""


def prepare(
    model: ModelProto,
    *,
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    std: Sequence[float] = (1.0, 1.0, 1.0),
    size: tuple[int, int] | None = None,
    axes: AxisOrder | None = None,
    ends_in_probabilities: bool = False,
    logits: str | None = None,
) -> ModelProto:
    """Make ``image [N,3,H,W]`` in [0,1] to ``logits [N,C]`` of a classifier, at one opset and folded.

    Args:
        model: The classifier as exported, opset 13 or newer, weights inside. It is not changed.
        mean: What the classifier's own preprocessing subtracts from each channel of an image in [0,1].
        std: What it divides by afterwards.
        size: Height and width, for a model that leaves them open.
        axes: The order of the image's axes, for a model whose input does not tell.
        ends_in_probabilities: Whether its output is a softmax or sigmoid, which is then cut off. Told, never guessed.
        logits: Name of the output to use; needed if there are several.

    Returns:
        The prepared graph: input ``image``, output ``logits``, batch symbolic, the normalisation inside, weights as
        initialisers, batch normalisations folded.

    Raises:
        GraphError: The model is no classifier of images of a fixed size, or ONNX Runtime cannot run it.
    """
    prepared = ModelProto()
    prepared.CopyFrom(model)
    _refuse_unknown_operators(prepared)
    prepared = raise_opset(_without_functions(prepared))
    keep_zero_borders(prepared)
    rename(prepared, choose_logits(prepared, logits).name, "logits")
    if ends_in_probabilities:
        cut_probabilities(prepared)
    image = choose_image(prepared, size, axes)
    rename(prepared, image.name, "image")
    for name in RESERVED_NAMES:
        rename(prepared, name, f"{name}/before")
    normalise(prepared, mean, std)
    original = ModelProto()
    original.CopyFrom(prepared)
    prepared = _clean(fold(prepared))
    check_logits(prepared)
    free_batch(prepared)
    fold_known(prepared)
    lower_opset(prepared)
    skip_empty_borders(prepared)
    prepared = _clean(fold(prepared))
    check_batch(prepared, original)
    settle_logits(prepared)
    return prepared


def _refuse_unknown_operators(model: ModelProto) -> None:
    known = RUNNABLE_DOMAINS | {function.domain for function in model.functions}
    for node in model.graph.node:
        if node.domain not in known:
            raise GraphError(
                f"operator {node.domain}::{node.op_type} (node {node.name!r}) belongs to no domain that ONNX Runtime "
                "runs; export the model with standard operators",
                where=node.name,
            )


def _without_functions(model: ModelProto) -> ModelProto:
    """Put the bodies of the file's own functions in their place."""
    try:
        return inliner.inline_local_functions(model)
    except checker.ValidationError as error:
        raise GraphError(f"a function of the model cannot be put in its place: {error}") from error


def _clean(model: ModelProto) -> ModelProto:
    """Keep only what is used, and declare only the domains in use, after ONNX Runtime wrote a graph."""
    del model.graph.value_info[:]
    remove_dead_nodes(model)
    versions = {entry.domain: entry.version for entry in model.opset_import}
    used = {node.domain for node in model.graph.node} | {""}
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, versions[domain]) for domain in sorted(used))
    model.ir_version = IR_VERSION
    return model
