"""Choose the feature layer of class activation maps, and let the graph pass through it as ``[N,K,h,w]``."""

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import ModelProto, TensorProto, helper

from service.errors import GraphError, UnsupportedOperatorError
from service.graphs.backpropagate import backpropagate
from service.graphs.facts import Facts
from service.graphs.layout import CHANNEL, HEIGHT, TOKEN, WIDTH, Layout, layouts
from service.graphs.probe import noise
from service.graphs.session import open_session
from service.graphs.start import begin, copy
from service.graphs.tape import Tape, Tensor
from service.graphs.tidy import remove_dead_nodes

AT_ONCE = 16
"""Candidates whose gradients are tried together; the last ones come first and mostly suffice."""

MAP_AXES = 4
"""Batch, channels, height, width."""

PREFIX = "map"
"""Names of tensors start with it that bring tokens to the shape of a map and back."""


def feature_layer(model: ModelProto, facts: Facts) -> str:
    """Find the last map at every place of which the logits look.

    The condition matters for transformers with a class token: behind their last attention only that token is read,
    so the grid's tokens there have no gradient. It is checked by running the gradient on noise. Maps of the same
    shape as the last one of all are preferred, and among tokens those that a LayerNormalization gives, so that of a
    transformer's last block it is what the queries, keys and values are made of, not one of these.

    Args:
        model: A prepared classifier.
        facts: Of its tensors.

    Returns:
        The tensor's name.

    Raises:
        UnsupportedOperatorError: An operator behind the layer has no derivative rule.
        GraphError: There is no such tensor.
    """
    tape = Tape(copy(model), facts, facts.types["image"], PREFIX)
    maps = {name: layout for name, layout in layouts(tape).items() if layout.is_map and name != "image"}
    alike = {name: maps[name] for name in maps if facts.shapes[name] == facts.shapes[list(maps)[-1]]}
    normalised = {
        name: layout
        for name, layout in alike.items()
        if TOKEN not in layout.axes or tape.producers[name].op_type == "LayerNormalization"
    }
    for found in (list(normalised.items()), list(alike.items()), list(maps.items())):
        for end in range(len(found), 0, -AT_ONCE):
            read = _read_everywhere(model, facts, dict(found[max(end - AT_ONCE, 0) : end]))
            if read:
                return read[-1]
    raise GraphError(
        "no tensor behind the image has a height and a width at every place of which the logits look; "
        "name the feature layer"
    )


def through_map(model: ModelProto, facts: Facts, name: str) -> str:
    """Make a feature layer a tensor ``[N,K,h,w]``, in place, without changing what is computed.

    Tokens ``[N,T,K]`` and maps ``[N,h,w,K]`` are brought to that shape and back, between the nodes that compute and
    those that read them; tokens outside the grid pass by.

    Args:
        model: A prepared classifier.
        facts: Of its tensors.
        name: The layer.

    Returns:
        Name of the tensor ``[N,K,h,w]``; the layer's own if it has that shape.

    Raises:
        GraphError: There is no such tensor, or it has no height and width.
    """
    tape = Tape(model, facts, facts.types["image"], PREFIX)
    if name not in tape.producers:
        raise GraphError(f"the model has no tensor {name!r} to take features from", where=name)
    layout = layouts(tape).get(name)
    if len(facts.shapes[name]) == MAP_AXES and (
        layout is None or layout.axes[1:] == (CHANNEL, HEIGHT, WIDTH)
    ):
        return name
    if layout is None or not layout.is_map:
        raise GraphError(
            f"tensor {name!r} {_shown(facts.shapes[name])} has no height and width that could be followed from the "
            "image; expected [N,K,h,w], or tokens",
            where=name,
        )
    return _detour(tape, name, layout)


def _read_everywhere(model: ModelProto, facts: Facts, candidates: Mapping[str, Layout]) -> list[str]:
    """Keep the candidates whose gradient is not zero at any place of the grid.

    Where an operator among them has no derivative, the later half is asked alone, down to the last candidate.
    """
    graph = copy(model)
    tape = begin(graph, facts)
    try:
        gradients = backpropagate(tape, {"logits": tape.tensor("cotangent")}, list(candidates))
    except UnsupportedOperatorError:
        if len(candidates) == 1:
            raise
        return _read_everywhere(model, facts, dict(list(candidates.items())[len(candidates) // 2 :]))
    if not gradients:
        return []
    names = sorted({gradient.name for gradient in gradients.values()})
    del graph.graph.output[:]
    graph.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    remove_dead_nodes(graph)
    session = open_session(graph, optimise=True)
    cotangent = np.random.default_rng(0).normal(size=(1, tape.shape("logits")[1] or 0)).astype(np.float32)
    feed = {"image": noise(session, 1), "cotangent": cotangent}
    values = session.run(names, {entry.name: feed[entry.name] for entry in session.get_inputs()})
    found = {name: np.asarray(value) for name, value in zip(names, values, strict=True)}
    return [
        name for name, gradient in gradients.items() if _on_grid(found[gradient.name], candidates[name]).all()
    ]


def _on_grid(gradient: np.ndarray, layout: Layout) -> np.ndarray:
    """Tell for every place of the grid whether any channel has a gradient there."""
    seen = gradient.any(axis=(0, layout.axes.index(CHANNEL)))
    count = layout.height * layout.width
    return np.asarray(seen.reshape(-1)[layout.prefix : layout.prefix + count])


def _detour(tape: Tape, name: str, layout: Layout) -> str:
    """Insert the way to the map and back behind the node that computes a tensor."""
    nodes = list(tape.graph.node)
    place = next(index for index, node in enumerate(nodes) if name in node.output) + 1
    del tape.graph.node[:]
    tape.graph.node.extend(nodes[:place])
    features, restored = _to_map_and_back(tape.tensor(name), layout)
    for node in nodes[place:]:
        for position, read in enumerate(node.input):
            if read == name:
                node.input[position] = restored.name
    tape.graph.node.extend(nodes[place:])
    return features.name


def _to_map_and_back(tensor: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    flat = TOKEN in layout.axes
    pieces, grid = _pieces(tensor, layout) if flat else ([tensor], 0)
    letters = [axis for axis in layout.axes if axis != CHANNEL]
    order = [layout.axes.index(axis) for axis in [letters[0], CHANNEL, *letters[1:]]]
    channels = tensor.shape[layout.axes.index(CHANNEL)] or 0
    features = pieces[grid].transpose(*order)
    if flat:
        features = features.reshape(-1, channels, layout.height, layout.width)
    back = features.reshape(-1, channels, layout.height * layout.width) if flat else features
    pieces[grid] = back.transpose(*(order.index(axis) for axis in range(len(order))))
    if len(pieces) == 1:
        return features, pieces[0]
    return features, tensor.tape.apply("Concat", *pieces, axis=layout.axes.index(TOKEN))


def _pieces(tensor: Tensor, layout: Layout) -> tuple[list[Tensor], int]:
    """Cut tokens into those before, on and behind the grid; also say which piece is the grid."""
    axis, count = layout.axes.index(TOKEN), layout.height * layout.width
    behind = (tensor.shape[axis] or 0) - layout.prefix - count
    lengths = [length for length in (layout.prefix, count, behind) if length]
    if len(lengths) == 1:
        return [tensor], 0
    cut = tensor.tape.apply_many(
        "Split", tensor, tensor.tape.integers(lengths), outputs=len(lengths), axis=axis
    )
    return list(cut), int(layout.prefix > 0)


def _shown(shape: Sequence[int | None]) -> str:
    return f"[{','.join('N' if length is None else str(length) for length in shape)}]"
