"""Operators newer than our set, written as older ones, against PyTorch."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from onnx import ModelProto, numpy_helper
from torch.nn import functional

from service.errors import GraphError
from service.graphs.opset import OPSET
from service.graphs.prepare import prepare
from tests.autograd import evaluate_single

Make = Callable[..., ModelProto]
IMAGES = np.random.default_rng(1).normal(size=(3, 3, 8, 8)).astype(np.float32)
SCALE = np.random.default_rng(2).normal(size=(6,)).astype(np.float32)


def attended(x: torch.Tensor, mask: torch.Tensor | None = None, scale: float | None = None) -> torch.Tensor:
    tokens = x.reshape(len(x), 3, 8, 8)
    return functional.scaled_dot_product_attention(tokens, tokens * 2, tokens + 1, mask, scale=scale)


MASK = np.triu(np.ones((8, 8), bool)) | np.eye(8, dtype=bool)
NEWER: dict[str, tuple[int, str, Callable[[torch.Tensor], torch.Tensor]]] = {
    "gelu": (20, "y = Gelu (x)", functional.gelu),
    "gelu by tanh": (
        20,
        'y = Gelu <approximate: string = "tanh"> (x)',
        lambda x: functional.gelu(x, approximate="tanh"),
    ),
    "swish": (24, "y = Swish (x)", functional.silu),
    "swish with a slope": (24, "y = Swish <alpha: float = 2.0> (x)", lambda x: x * torch.sigmoid(2 * x)),
    "root mean square": (
        23,
        "y = RMSNormalization (x, scale)",
        lambda x: functional.rms_norm(x, (8,), torch.tensor(SCALE[:1]).expand(8), eps=1e-5),
    ),
    "groups": (
        21,
        "t = Concat <axis: int = 1> (x, x) y = GroupNormalization <num_groups: int = 2> (t, scales, scales)",
        lambda x: functional.group_norm(
            torch.cat([x, x], 1), 2, torch.tensor(SCALE), torch.tensor(SCALE), eps=1e-5
        ),
    ),
    "attention": (23, "k = Mul (x, two) v = Add (x, one) y = Attention (x, k, v)", attended),
    "attention with a scale": (
        23,
        "k = Mul (x, two) v = Add (x, one) y = Attention <scale: float = 0.25> (x, k, v)",
        lambda x: attended(x, scale=0.25),
    ),
    "attention with a mask": (
        23,
        "k = Mul (x, two) v = Add (x, one) y = Attention (x, k, v, mask)",
        lambda x: attended(x, torch.tensor(MASK)),
    ),
}
CONSTANTS = {
    "scale": np.repeat(SCALE[:1], 8),
    "scales": SCALE,
    "two": np.array(2, np.float32),
    "one": np.array(1, np.float32),
    "mask": MASK,
}


@pytest.mark.parametrize("name", NEWER)
def test_a_newer_operator_means_what_it_meant(classifier: Make, name: str) -> None:
    """The logits are sums over height and width, against PyTorch's, both within rounding."""
    opset, body, reference = NEWER[name]
    brought = classifier(
        body,
        head="pooled = GlobalAveragePool (y) scores = Flatten <axis: int = 1> (pooled)",
        outputs="float[N,C] scores",
        opset=opset,
    )
    used = {entry for node in brought.graph.node for entry in node.input}
    brought.graph.initializer.extend(
        numpy_helper.from_array(value, key) for key, value in CONSTANTS.items() if key in used
    )
    prepared = prepare(brought)
    assert [entry.version for entry in prepared.opset_import] == [OPSET]
    expected = reference(torch.tensor(IMAGES)).numpy()
    np.testing.assert_allclose(
        np.asarray(evaluate_single(prepared, {"image": IMAGES})[0]),
        expected.mean(axis=(2, 3)),
        atol=float(200 * np.finfo(np.float32).eps * np.max(np.abs(expected), initial=1.0)),
    )


@pytest.mark.parametrize(
    ("opset", "body", "message"),
    [
        (
            22,
            "g = Transpose <perm: ints = [0,2,3,1]> (x) s = Slice (g, zero, two_, last) y = GridSample (x, s)",
            "GridSample",
        ),
        (22, "y = AveragePool <kernel_shape: ints = [2, 2], dilations: ints = [2, 2]> (x)", "dilations"),
        (21, 'y = Pad <mode: string = "wrap"> (x, pads)', "mode=wrap"),
        (23, "y = Attention <is_causal: int = 1> (x, x, x)", "attention"),
    ],
)
def test_what_the_older_set_cannot_say_is_refused(
    classifier: Make, opset: int, body: str, message: str
) -> None:
    """With the way out: export for the older set."""
    brought = classifier(
        body,
        head="pooled = GlobalAveragePool (y) scores = Flatten <axis: int = 1> (pooled)",
        outputs="float[N,C] scores",
        opset=opset,
    )
    constants = {
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "zero": np.array([0]),
        "two_": np.array([2]),
        "last": np.array([3]),
    }
    used = {entry for node in brought.graph.node for entry in node.input}
    brought.graph.initializer.extend(
        numpy_helper.from_array(value, key) for key, value in constants.items() if key in used
    )
    with pytest.raises(GraphError, match=message):
        prepare(brought)
