"""Rules in company: random chains of operators, with residuals and gates between them, against torch.autograd."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import NodeProto, helper
from torch import Tensor
from torch.nn import functional

from tests.autograd import assert_gradient

CHANNELS, SIDE = 3, 6
WEIGHTS = np.random.default_rng(0).normal(scale=0.2, size=(CHANNELS, CHANNELS, 3, 3)).astype(np.float32)
CONSTANTS: Mapping[str, np.ndarray] = {
    "weights": WEIGHTS.astype(np.float64),
    "low": np.array(-0.5),
    "high": np.array(0.75),
    "half": np.array(0.5),
    "space": np.array([2, 3]),
    "first": np.array([0]),
    "rows": np.array([2]),
    "height": np.array([2]),
}


@dataclass(frozen=True)
class Block:
    """A piece of a network that takes a map and gives one.

    Args:
        nodes: From ``{x}`` to ``{y}``, one line ``y = Operator(a, b)`` each; attributes by operator below.
        reference: The same in PyTorch.
    """

    nodes: tuple[tuple[str, str, str], ...]
    reference: Callable[[Tensor], Tensor]


ATTRIBUTES: dict[str, dict[str, object]] = {
    "Conv": {"pads": [1, 1, 1, 1]},
    "MaxPool": {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [1, 1]},
    "AveragePool": {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1, 1, 1, 1]},
    "Softmax": {"axis": 1},
    "Transpose": {"perm": [0, 1, 3, 2]},
    "Concat": {"axis": 2},
    "ReduceMean": {"keepdims": 1},
}


def _convolved(x: Tensor) -> Tensor:
    return functional.conv2d(x, torch.from_numpy(WEIGHTS).double(), padding=1)


BLOCKS = {
    "convolution": Block((("Conv", "{x} weights", "{y}"),), _convolved),
    "residual": Block(
        (("Conv", "{x} weights", "{y}/a"), ("Relu", "{y}/a", "{y}/b"), ("Add", "{y}/b {x}", "{y}")),
        lambda x: functional.relu(_convolved(x)) + x,
    ),
    "gate": Block((("Sigmoid", "{x}", "{y}/a"), ("Mul", "{x} {y}/a", "{y}")), functional.silu),
    "excitation": Block(
        (("ReduceMean", "{x} space", "{y}/a"), ("Tanh", "{y}/a", "{y}/b"), ("Mul", "{y}/b {x}", "{y}")),
        lambda x: x * torch.tanh(x.mean((2, 3), keepdim=True)),
    ),
    "clip": Block((("Clip", "{x} low high", "{y}"),), lambda x: x.clamp(-0.5, 0.75)),
    "softmax": Block((("Softmax", "{x}", "{y}"),), lambda x: x.softmax(1)),
    "maximum": Block((("MaxPool", "{x}", "{y}"),), lambda x: functional.max_pool2d(x, 3, 1, 1)),
    "average": Block(
        (("AveragePool", "{x}", "{y}"),),
        lambda x: functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
    ),
    "turn": Block((("Transpose", "{x}", "{y}"),), lambda x: x.transpose(2, 3)),
    "wrap": Block(
        (
            ("Slice", "{x} first rows height", "{y}/a"),
            ("Sub", "{x} half", "{y}/b"),
            ("Concat", "{y}/a {y}/b", "{y}"),
        ),
        lambda x: torch.cat([x[:, :, :2], x - 0.5], 2),
    ),
    "ratio": Block(
        (("Exp", "{x}", "{y}/a"), ("Add", "{y}/a half", "{y}/b"), ("Div", "{x} {y}/b", "{y}")),
        lambda x: x / (x.exp() + 0.5),
    ),
}


@settings(max_examples=40, derandomize=True, deadline=None, database=None)
@given(
    names=st.lists(st.sampled_from(sorted(BLOCKS)), min_size=2, max_size=5),
    seed=st.integers(0, 2**16),
)
def test_a_chain_has_pytorchs_gradient(names: list[str], seed: int) -> None:
    """What a rule hands on is what the next one takes, whatever stands before and behind."""
    nodes: list[NodeProto] = []
    x = "image"
    for number, name in enumerate(names):
        y = f"block{number}"
        for operator, inputs, output in BLOCKS[name].nodes:
            read, written = inputs.format(x=x, y=y).split(), [output.format(y=y)]
            nodes.append(helper.make_node(operator, read, written, **ATTRIBUTES.get(operator, {})))
        x = y

    def reference(image: Tensor) -> Tensor:
        for name in names:
            image = BLOCKS[name].reference(image)
        return image

    image = np.random.default_rng(seed).normal(size=(2, CHANNELS, SIDE, SIDE))
    used = {name for node in nodes for name in node.input}
    constants = {name: value for name, value in CONSTANTS.items() if name in used}
    assert_gradient(nodes, image, reference, constants=constants, output=x)
