"""The two ends of a classifier: which input is the image, which output the logits, and what lies between."""

from collections.abc import Iterable, Sequence

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from service.errors import GraphError
from service.graphs.axes import CHANNELS, AxisOrder, axis_orders
from service.graphs.probe import BATCHES, noise, run
from service.graphs.session import open_session
from service.graphs.tidy import read_by

LOGITS_AXES = 2
"""Batch, classes."""

PROBABILITY_OPERATORS = frozenset({"Softmax", "LogSoftmax", "Sigmoid"})
"""What turns logits into probabilities, one class at a time or all together."""


def choose_image(
    model: ModelProto, size: tuple[int, int] | None, axes: AxisOrder | None = None
) -> ValueInfoProto:
    """Find the input that is the image, as ``float32 [N,3,H,W]``, and leave its batch open.

    A channels-last input ``[N,H,W,3]`` gets a transposition in front.

    Args:
        model: The classifier; the declared shape of its input is completed in place.
        size: Height and width, for an input that leaves them open.
        axes: The order of its axes, for an input whose shape does not tell.

    Returns:
        The input.

    Raises:
        GraphError: There is no such input, or more than one, or its shape leaves open what is not stated.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise GraphError(
            f"the model has {len(inputs)} inputs ({_described(inputs)}); expected one image [N,3,H,W]. What is constant "
            "must be a constant of the file: export it with the model"
        )
    image: ValueInfoProto = inputs[0]
    lengths = _lengths(image)
    orders = axis_orders(lengths, axes)
    if image.type.tensor_type.elem_type != TensorProto.FLOAT or not orders:
        raise GraphError(
            f"input {_described(inputs)} is no image; expected float32 [N,3,H,W] or [N,H,W,3]"
            f"{f', stated as {axes}' if axes else ''}",
            where=image.name,
        )
    if len(orders) > 1:
        raise GraphError(
            f"input {_described(inputs)} does not tell which axis holds the {CHANNELS} channels; state the order of "
            f"its axes: {' or '.join(orders)}",
            where=image.name,
        )
    [order] = orders
    found = [lengths[order.index(axis)] for axis in "HW"]
    if size is None and not all(isinstance(length, int) for length in found):
        raise GraphError(
            f"input {_described(inputs)} leaves height and width open; state the size to build for",
            where=image.name,
        )
    if size is not None and any(isinstance(a, int) and a != b for a, b in zip(found, size, strict=True)):
        raise GraphError(
            f"input {_described(inputs)} has a fixed height and width, which is not the stated size "
            f"{size[0]} x {size[1]}",
            where=image.name,
        )
    height, width = size or found
    if order == "NHWC":
        _transpose_in_front(model, image.name)
    declared = helper.make_tensor_value_info(
        image.name, TensorProto.FLOAT, [lengths[0], CHANNELS, height, width]
    )
    image.CopyFrom(declared)
    return image


def choose_logits(model: ModelProto, name: str | None) -> ValueInfoProto:
    """Find the output that holds the logits, and drop the others.

    Args:
        model: The classifier, changed in place.
        name: The output's name; needed if there are several.

    Returns:
        The output.

    Raises:
        GraphError: There are several outputs and no name, or no output of that name.
    """
    outputs = {output.name: output for output in model.graph.output}
    if name is None and len(outputs) != 1:
        raise GraphError(
            f"the model has {len(outputs)} outputs ({', '.join(outputs)}); state which one is the logits"
        )
    chosen = next(iter(outputs)) if name is None else name
    if chosen not in outputs:
        raise GraphError(f"the model has no output {chosen!r}; it has {', '.join(outputs)}", where=chosen)
    kept: ValueInfoProto = outputs[chosen]
    del model.graph.output[:]
    model.graph.output.append(kept)
    return kept


def check_logits(model: ModelProto) -> None:
    """Refuse an output that is known not to hold one real number per class, computed from the image.

    Args:
        model: A classifier with the output ``logits``, its type and as much of its shape as is known declared.

    Raises:
        GraphError: The output is no tensor, not of float32, or a single number for all images; or no node computes it.
    """
    [output] = model.graph.output
    if not any(output.name in node.output for node in model.graph.node):
        raise GraphError("no node computes the output; expected the logits of a classifier", where="logits")
    kind = output.type.WhichOneof("value")
    if kind != "tensor_type":
        raise GraphError(f"the output is a {kind}; expected a tensor float32 [N, classes]", where="logits")
    found = output.type.tensor_type
    if found.elem_type != TensorProto.FLOAT or (found.HasField("shape") and not found.shape.dim):
        raise GraphError(
            f"the output is {_described([output])}; expected float32 [N, classes]. If the file has another output with "
            "the scores of all classes, name it",
            where="logits",
        )


def rename(model: ModelProto, old: str, new: str) -> None:
    """Rename a tensor wherever a graph mentions it, and whatever had the new name before.

    Args:
        model: Changed in place.
        old: The tensor's name.
        new: Its new name.
    """
    if old == new:
        return
    taken = {name for node in model.graph.node for name in [*read_by(node), *node.output]}
    displaced = f"{new}/before"
    while displaced in taken:
        displaced += "/before"
    names = {old: new, new: displaced}
    for node in model.graph.node:
        _rename_in(node, names)
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer]:
        value.name = names.get(value.name, value.name)


def normalise(model: ModelProto, mean: Sequence[float], std: Sequence[float]) -> None:
    """Put ``(image - mean) / std`` behind the input ``image``, in place.

    Args:
        model: The classifier, with the input ``image``.
        mean: Per channel, for an image in [0,1].
        std: Likewise.

    Raises:
        GraphError: There are not three of each, or a deviation is not positive.
    """
    if len(mean) != CHANNELS or len(std) != CHANNELS or min(std) <= 0:
        raise GraphError(
            f"mean {tuple(mean)} and std {tuple(std)} are no normalisation; expected 3 each, std positive"
        )
    steps = [
        ("Sub", "normalise/mean", mean, any(mean)),
        ("Div", "normalise/std", std, any(value != 1 for value in std)),
    ]
    graph, current = model.graph, "image"
    nodes: list[NodeProto] = []
    for operator, constant, values, wanted in steps:
        if wanted:
            array = np.array(values, np.float32).reshape(1, CHANNELS, 1, 1)
            graph.initializer.append(numpy_helper.from_array(array, constant))
            nodes.append(helper.make_node(operator, [current, constant], [f"{constant}/out"], name=constant))
            current = f"{constant}/out"
    _put_in_front(model, "image", nodes)


def cut_probabilities(model: ModelProto) -> None:
    """Make the input of the closing softmax or sigmoid the output ``logits``, in place.

    Args:
        model: A classifier with the output ``logits``, which the caller says are probabilities.

    Raises:
        GraphError: What computes the output is neither.
    """
    last = closing_node(model.graph, "logits")
    if last is None or last.op_type not in PROBABILITY_OPERATORS:
        found = "an input" if last is None else last.op_type
        raise GraphError(
            f"the model is said to end in probabilities but ends in {found}; expected one of "
            f"{', '.join(sorted(PROBABILITY_OPERATORS))}"
        )
    model.graph.output[0].name = last.input[0]
    rename(model, last.input[0], "logits")


def closing_node(graph: GraphProto, output: str) -> NodeProto | None:
    """Find the node that computes an output; an Identity behind it, as TensorFlow's exports have one, is passed over.

    Args:
        graph: The classifier's graph.
        output: Name of the output.

    Returns:
        The node; None if no node computes it.
    """
    producers = {name: node for node in graph.node for name in node.output}
    node = producers.get(output)
    while node is not None and node.op_type == "Identity":
        node = producers.get(node.input[0])
    return node


def settle_logits(model: ModelProto) -> None:
    """Give the output ``logits`` the shape ``[N, C]``, in place; trailing axes of length 1 are dropped.

    Args:
        model: A classifier with the ends ``image`` and ``logits``, batch symbolic.

    Raises:
        GraphError: The output is not one number per class, or no float32.
    """
    session = open_session(model, optimise=True)
    logits = run(session, noise(session, BATCHES[0]))["logits"]
    batch, classes = logits.shape[0], logits.shape[1] if logits.ndim > 1 else 0
    if logits.size != batch * classes or logits.dtype != np.float32:
        raise GraphError(
            f"the output is {logits.dtype} {list(logits.shape)} for {batch} images; expected float32 [N, classes]",
            where="logits",
        )
    if logits.ndim > LOGITS_AXES:
        rename(model, "logits", "logits/spatial")
        flatten = helper.make_node("Flatten", ["logits/spatial"], ["logits"], name="logits", axis=1)
        model.graph.node.append(flatten)
    declared = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", classes])
    model.graph.output[0].CopyFrom(declared)


def _put_in_front(model: ModelProto, name: str, nodes: Sequence[NodeProto]) -> None:
    """Let everything that read an input read the last of the new nodes instead."""
    if not nodes:
        return
    for node in model.graph.node:
        _rename_in(node, {name: nodes[-1].output[0]}, inputs_only=True)
    old = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *old])


def _transpose_in_front(model: ModelProto, name: str) -> None:
    node = helper.make_node(
        "Transpose", [name], [f"{name}/channels_last"], name=f"{name}/channels_last", perm=[0, 2, 3, 1]
    )
    _put_in_front(model, name, [node])


def _rename_in(node: NodeProto, names: dict[str, str], *, inputs_only: bool = False) -> None:
    for position, name in enumerate(node.input):
        node.input[position] = names.get(name, name)
    if not inputs_only:
        for position, name in enumerate(node.output):
            node.output[position] = names.get(name, name)
    for attribute in node.attribute:
        for inner in attribute.g.node:
            _rename_in(inner, names, inputs_only=inputs_only)


def _lengths(value: ValueInfoProto) -> list[int | str]:
    axes = value.type.tensor_type.shape.dim
    return [axis.dim_value if axis.HasField("dim_value") else axis.dim_param or "?" for axis in axes]


def _described(values: Iterable[ValueInfoProto]) -> str:
    return "; ".join(
        f"{value.name}: {TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()} "
        f"[{','.join(str(length) for length in _lengths(value))}]"
        for value in values
    )
