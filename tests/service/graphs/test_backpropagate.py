"""What a derivative would leave out without a word is refused: a part of a gradient is worse than none."""

import numpy as np
import pytest
import torch
from onnx import NodeProto, TensorProto, helper

from service.errors import UnsupportedOperatorError
from tests.autograd import assert_gradient

IMAGE = np.random.default_rng(0).normal(size=(2, 3, 4))


def branch(operator: str) -> NodeProto:
    """An ``If`` of which either branch reads the image from outside."""
    graphs = {
        name: helper.make_graph(
            [helper.make_node(of, ["image"], [f"{name}/y"])],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}/y", TensorProto.FLOAT, None)],
        )
        for name, of in (("then_branch", operator), ("else_branch", "Identity"))
    }
    return helper.make_node("If", ["yes"], ["branched"], name="choice", **graphs)


CASES: dict[str, tuple[list[NodeProto], str]] = {
    "read inside of a branch": (
        [
            helper.make_node("ReduceMin", ["image"], ["least"], keepdims=0),
            helper.make_node("Greater", ["least", "far"], ["yes"]),
            branch("Exp"),
            helper.make_node("Add", ["branched", "image"], ["y"]),
        ],
        r"operator If \(node 'choice'\): no derivative rule",
    ),
    "passed through a sequence": (
        [
            helper.make_node("SplitToSequence", ["image"], ["pieces"], axis=1),
            helper.make_node("SequenceAt", ["pieces", "first"], ["piece"]),
            helper.make_node("Add", ["piece", "image"], ["y"]),
        ],
        "operator SequenceAt .*no derivative rule",
    ),
    "a scale that is computed": (
        [
            helper.make_node("ReduceMean", ["image", "but_last"], ["scale"], keepdims=0),
            helper.make_node("LayerNormalization", ["image", "scale"], ["y"]),
        ],
        "LayerNormalization .*input 1 depends on the image",
    ),
    "statistics that are read": (
        [
            helper.make_node("LayerNormalization", ["image", "ones"], ["normed", "mean"]),
            helper.make_node("Add", ["normed", "mean"], ["y"]),
        ],
        "LayerNormalization .*secondary output",
    ),
}
CONSTANTS = {
    "far": np.array(-100.0),
    "first": np.array(0),
    "but_last": np.array([0, 1]),
    "ones": np.ones(4),
}


@pytest.mark.parametrize("name", CASES)
def test_what_no_rule_can_follow_is_refused(name: str) -> None:
    """Each of these would have been differentiated as if that part were constant."""
    nodes, message = CASES[name]
    read = {name for node in nodes for name in node.input}
    with pytest.raises(UnsupportedOperatorError, match=message):
        assert_gradient(
            nodes,
            IMAGE,
            torch.clone,
            constants={name: value for name, value in CONSTANTS.items() if name in read},
        )
