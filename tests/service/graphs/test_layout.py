"""Where height and width go, operator by operator."""

from collections.abc import Callable

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper

from service.graphs.facts import measure
from service.graphs.layout import layouts
from service.graphs.tape import Tape

Make = Callable[..., ModelProto]

BODIES: dict[str, tuple[str, str | None]] = {
    "a pool halves": ("y = MaxPool <kernel_shape: ints = [2, 2], strides: ints = [2, 2]> (x)", "NCHW 4x4"),
    "channels last": ("y = Transpose <perm: ints = [0, 2, 3, 1]> (x)", "NHWC 8x8"),
    "tokens": ("y = Reshape (x, tokens)", "NCT 8x8"),
    "tokens and back": ("a = Reshape (x, tokens) y = Reshape (a, map)", "NCHW 8x8"),
    "columns first are no tokens": (
        "a = Transpose <perm: ints = [0, 1, 3, 2]> (x) y = Reshape (a, tokens)",
        None,
    ),
    "a shuffle of channels": (
        (
            "d = Concat <axis: int = 1> (x, x) a = Reshape (d, split) "
            "b = Transpose <perm: ints = [0, 2, 1, 3, 4]> (a) y = Reshape (b, joined)"
        ),
        "NCHW 8x8",
    ),
    "windows lose it": ("a = Reshape (x, windows) y = Relu (a)", None),
    "a residual keeps it": ("a = Reshape (x, windows) b = Reshape (a, map) y = Add (x, b)", "NCHW 8x8"),
    "every other pixel": ("y = Slice (x, zero, far, two, two)", "NCHW 4x8"),
    "a part of the image": ("y = Slice (x, zero, half, two)", None),
    "joined channels": ("y = Concat <axis: int = 1> (x, x)", "NCHW 8x8"),
    "joined images": ("y = Concat <axis: int = 2> (x, x)", None),
    "pieces of channels": ("y, z = Split <axis: int = 1> (x, pieces)", "NCHW 8x8"),
    "a border": ("y = Pad (x, pads)", "NCHW 9x9"),
    "a scale per channel": ("m = GlobalAveragePool (x) y = Mul (x, m)", "NCHW 8x8"),
    "a product of places": ("t = Transpose <perm: ints = [0, 1, 3, 2]> (x) y = MatMul (x, t)", None),
    "a product with weights": (
        "t = Transpose <perm: ints = [0, 2, 3, 1]> (x) y = MatMul (t, weights)",
        "NHWC 8x8",
    ),
    "an average over channels": ("y = ReduceMean (x, one)", "NCHW 8x8"),
    "an average over places": ("y = ReduceMean (x, two)", None),
}
CONSTANTS = {
    "tokens": np.array([0, 3, 64]),
    "map": np.array([0, 3, 8, 8]),
    "split": np.array([0, 2, 3, 8, 8]),
    "joined": np.array([0, 6, 8, 8]),
    "windows": np.array([0, 12, 4, 4]),
    "zero": np.array([0]),
    "one": np.array([1]),
    "two": np.array([2]),
    "half": np.array([4]),
    "far": np.array([2**31]),
    "pieces": np.array([1, 2]),
    "pads": np.array([0, 0, 0, 0, 0, 0, 1, 1]),
    "weights": np.ones((3, 4), np.float32),
}


@pytest.mark.parametrize("name", BODIES)
def test_height_and_width_are_followed(classifier: Make, name: str) -> None:
    """What an operator does not keep in place has no layout behind it."""
    body, expected = BODIES[name]
    model = classifier(body, head="flat = Flatten <axis: int = 1> (y) scores = ReduceSum (flat, one)")
    used = {entry for node in model.graph.node for entry in node.input}
    model.graph.initializer.extend(
        numpy_helper.from_array(value, key) for key, value in CONSTANTS.items() if key in used
    )
    facts = measure(model := renamed(model))
    found = layouts(Tape(model, facts, np.dtype(np.float32), "test")).get("y")
    shown = found and f"{''.join(found.axes)} {found.height}x{found.width}"
    assert shown == expected


def renamed(model: ModelProto) -> ModelProto:
    """Only the input gets its name; nothing is folded away."""
    for node in model.graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = "image" if name == "x" else name
    model.graph.input[0].name = "image"
    return model


def test_a_class_token_is_counted(classifier: Make) -> None:
    """One token before the grid's."""
    model = classifier(
        "t = Reshape (x, tokens) g = Transpose <perm: ints = [0, 2, 1]> (t) "
        "m = ReduceMean (g, one) y = Concat <axis: int = 1> (m, g) "
        "pooled = ReduceMean <keepdims: int = 0> (y, one)",
        head="scores = Gemm <transB: int = 1> (pooled, head)",
    )
    model.graph.initializer.extend(numpy_helper.from_array(CONSTANTS[key], key) for key in ("tokens", "one"))
    found = layouts(Tape(model, measure(model := renamed(model)), np.dtype(np.float32), "test"))["y"]
    assert (found.axes, found.prefix) == (("N", "T", "C"), 1)
