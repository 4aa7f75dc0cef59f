"""Gradient-weighted attention: how the attention matrices of a vision transformer pass on what each patch says."""

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper

from service.errors import GraphError
from service.graphs.backpropagate import backpropagate
from service.graphs.differentiate import give
from service.graphs.facts import Facts, measure
from service.graphs.layout import TOKEN, Layout, layouts
from service.graphs.probe import noise
from service.graphs.session import open_session
from service.graphs.start import begin, copy
from service.graphs.tape import Tape, Tensor
from service.graphs.tidy import remove_dead_nodes

MATRIX_AXES = 4
"""Batch, heads, queries, keys."""


def attention_graph(model: ModelProto) -> ModelProto:
    """Write the relevance of every patch to ``sum(cotangent * logits)``, through all attention matrices.

    With A the attention of a block, ``[heads, T, T]``, and G its gradient, ``B = mean over heads of max(G A, 0)``; the
    relevance of the tokens to each other is the product of all ``1 + B``, last block first, and that of a patch to the
    answer its entry in the rows of the tokens that the logits are read from, averaged [1]_. The 1 stands for the
    residual connection around each attention; what it alone gives is left out. Rows that are not read have no gradient.

    Args:
        model: A classifier as :func:`service.graphs.prepare.prepare` returns it. It is not changed.

    Returns:
        A graph with the inputs ``image [N,3,H,W]`` and ``cotangent [N,C]`` and the outputs ``logits [N,C]`` and
        ``relevance [N,1,h,w]``, on the grid of patches, none negative.

    Raises:
        UnsupportedOperatorError: An operator behind the first attention has no derivative rule.
        GraphError: The classifier has no attention among all tokens, or some that is not.

    References:
        .. [1] Chefer, Gur, Wolf. "Generic Attention-model Explainability for Interpreting Bi-Modal and
           Encoder-Decoder Transformers", ICCV 2021, equations 5 and 6. https://arxiv.org/abs/2103.15679
    """
    graph = copy(model)
    facts = measure(graph)
    tape = begin(graph, facts)
    matrices = attention_matrices(tape)
    layout, tokens = _grid(tape, matrices)
    gradients = backpropagate(tape, {"logits": tape.tensor("cotangent")}, matrices)
    passing = [name for name in matrices if name in gradients]
    if not passing:
        raise GraphError("the logits depend on no attention matrix, so there is nothing to weigh")
    read = _rows_read(graph, facts, gradients[passing[-1]])
    relevance = tape.real((read / read.sum()).reshape(1, 1, tokens))
    for name in reversed(passing):
        weighted = (tape.tensor(name) * gradients[name]).apply("Relu").mean([1], keep=False)
        relevance = relevance + relevance.apply("MatMul", weighted)
    passed_on = relevance - tape.real((read / read.sum()).reshape(1, 1, tokens))
    give(tape, _on_grid(passed_on, layout), "relevance", (None, 1, layout.height, layout.width))
    remove_dead_nodes(graph)
    return graph


def attention_matrices(tape: Tape) -> list[str]:
    """Find the attention matrices of a classifier, first block first.

    They are what a Softmax over keys gives and a matrix product then weighs values with.

    Args:
        tape: The classifier.

    Returns:
        Names of tensors ``[N, heads, T, T]``, all with the same T.

    Raises:
        GraphError: There are none, or there are others: among windows, or with fewer keys or queries than tokens.
    """
    matrices = [
        node.output[0] for node in tape.graph.node if node.op_type == "Softmax" and _weighs(tape, node)
    ]
    if not matrices:
        raise GraphError(
            "the classifier has no attention matrix (a Softmax whose result a matrix product reads); attention "
            "relevance is for vision transformers"
        )
    tokens = {tape.shape(name)[-1] for name in matrices}
    for name in matrices:
        shape, declared = tape.shape(name), tape.facts.declared.get(name, ("?",))
        if len(shape) != MATRIX_AXES or shape[2] != shape[3] or declared[0] != "N" or len(tokens) != 1:
            raise GraphError(
                f"attention {name!r} is [{','.join(map(str, declared))}]; expected [N,heads,T,T] among all T tokens in "
                "every block. Attention within windows or to a summary of the tokens cannot be followed from block to "
                "block; class activation maps work.",
                where=name,
            )
    return matrices


def _weighs(tape: Tape, node: NodeProto) -> bool:
    """Tell whether a Softmax over the last axis is the first factor of a matrix product, through what changes nothing."""
    rank = len(tape.shape(node.output[0]))
    axis = next((entry.i for entry in node.attribute if entry.name == "axis"), -1)
    if axis % rank != rank - 1:
        return False
    same = {node.output[0]}
    for later in tape.graph.node:
        if later.op_type in {"Cast", "Dropout", "Identity"} and later.input[0] in same:
            same.add(later.output[0])
        elif later.op_type == "MatMul" and later.input[0] in same:
            return True
    return False


def _grid(tape: Tape, matrices: list[str]) -> tuple[Layout, int]:
    """Find which of the tokens are patches, and how they lie."""
    tokens = tape.shape(matrices[0])[-1] or 0
    fitting = {
        (layout.height, layout.width, layout.prefix): layout
        for name, layout in layouts(tape).items()
        if TOKEN in layout.axes and tape.shape(name)[layout.axes.index(TOKEN)] == tokens
    }
    if len(fitting) != 1:
        raise GraphError(
            f"where the {tokens} tokens lie in the image cannot be followed from the image; expected patches of a grid, "
            "after class tokens if there are any",
            where=matrices[0],
        )
    return next(iter(fitting.values())), tokens


def _rows_read(graph: ModelProto, facts: Facts, gradient: Tensor) -> NDArray[np.float64]:
    """Say by 1 or 0 which tokens the logits are read from: those whose last attention has a gradient, on noise."""
    probe = copy(graph)
    del probe.graph.output[:]
    probe.graph.output.append(helper.make_tensor_value_info(gradient.name, TensorProto.FLOAT, None))
    remove_dead_nodes(probe)
    session = open_session(probe, optimise=True)
    classes = facts.shapes["logits"][1] or 0
    cotangent = np.random.default_rng(0).normal(size=(1, classes)).astype(np.float32)
    feed = {"image": noise(session, 1), "cotangent": cotangent}
    (value,) = session.run([gradient.name], {entry.name: feed[entry.name] for entry in session.get_inputs()})
    read: NDArray[np.bool_] = (np.asarray(value) != 0).any(axis=(0, 1, 3))
    return read.astype(np.float64)


def _on_grid(row: Tensor, layout: Layout) -> Tensor:
    """Cut the patches out of ``[N, 1, T]`` and lay them on their grid."""
    tape, count = row.tape, layout.height * layout.width
    patches = row.apply(
        "Slice",
        tape.integers([layout.prefix]),
        tape.integers([layout.prefix + count]),
        tape.integers([2]),
    )
    return patches.reshape(-1, 1, layout.height, layout.width)
