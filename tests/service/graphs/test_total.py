"""Contributions to one cotangent: pieces that lie side by side are joined, others are added."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from onnx import ModelProto, NodeProto, helper, numpy_helper

from service.graphs.differentiate import gradient_graph
from service.graphs.prepare import prepare
from tests.autograd import assert_gradient

Make = Callable[..., ModelProto]
IMAGE = np.random.default_rng(0).normal(size=(2, 6, 5, 4))


def piece(start: int, end: int, name: str, *, axis: int = 1) -> NodeProto:
    """Cut a piece out of the image; its bounds are the constants of that name."""
    bounds = [f"{bound}" for bound in (start, end)]
    return helper.make_node("Slice", ["image", *bounds, f"axis{axis}"], [name])


CUTS: dict[str, list[tuple[int, int, int]]] = {
    "side by side": [(1, 0, 2), (1, 2, 3), (1, 3, 6)],
    "in another order": [(1, 3, 6), (1, 2, 3), (1, 0, 2)],
    "with a gap": [(1, 0, 2), (1, 3, 6)],
    "overlapping": [(1, 0, 4), (1, 2, 6)],
    "the same": [(1, 1, 4), (1, 1, 4)],
    "inside": [(1, 1, 3), (1, 3, 5)],
    "along two axes": [(1, 0, 3), (2, 3, 5)],
    "from the end": [(2, 0, 2), (2, 2, 5)],
}


@pytest.mark.parametrize("name", CUTS)
def test_pieces_give_pytorchs_gradient(name: str) -> None:
    """Each piece counts with a factor of its own, so that none can stand in another's place."""
    cuts = CUTS[name]
    nodes, summed = [], []
    for number, (axis, start, end) in enumerate(cuts):
        nodes += [
            piece(start, end, f"piece{number}", axis=axis),
            helper.make_node("Mul", [f"piece{number}", f"factor{number}"], [f"part{number}"]),
            helper.make_node("ReduceSum", [f"part{number}", "places"], [f"sum{number}"], keepdims=0),
        ]
        summed.append(f"sum{number}")
    nodes.append(helper.make_node("Sum", summed, ["y"]))
    used = {str(bound) for _, *bounds in cuts for bound in bounds}
    constants = {name: np.array([int(name)]) for name in used}
    constants |= {f"axis{axis}": np.array([axis]) for axis, *_ in cuts} | {"places": np.array([1, 2, 3])}
    factors = {f"factor{number}": np.array(number + 1.5) for number in range(len(cuts))}

    def reference(image: torch.Tensor) -> torch.Tensor:
        parts = [image.narrow(axis, start, end - start) for axis, start, end in cuts]
        return torch.stack([(number + 1.5) * part.sum((1, 2, 3)) for number, part in enumerate(parts)]).sum(0)

    assert_gradient(nodes, IMAGE, reference, constants={**constants, **factors})


def test_queries_keys_and_values_are_put_together(classifier: Make) -> None:
    """Joined, where every piece with its zeros would be written out and added."""
    model = classifier(
        "r = Relu (x) "
        + " ".join(f"p{i} = Gather <axis: int = 1> (r, i{i}) q{i} = Unsqueeze (p{i}, one)" for i in range(3))
        + " a = Mul (q0, q1) b = Add (a, q2) features = Concat <axis: int = 1> (b, q0, q1)"
    )
    constants = {f"i{i}": np.array(i) for i in range(3)} | {"one": np.array([1])}
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())

    gradient = gradient_graph(prepare(model))

    written = [node.op_type for node in gradient.graph.node if node.name.startswith("vjp/")]
    assert "Pad" not in written
