"""Operators newer than our set, written as older ones, against PyTorch."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from onnx import ModelProto, numpy_helper
from torch.nn import functional

from service.errors import GraphError, UnsupportedOperatorError
from service.graphs.differentiate import gradient_graph
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
PLACES = "t = Transpose <perm: ints = [0, 2, 3, 1]> (x) g = Slice (t, zero, two_, last)"
AFFINE = """
    entries = Slice (x, zeros, corner, all)
    theta = Squeeze (entries, channel)
    whole = Shape (x)
    size = Sub (whole, left_out)
    g = AffineGrid (theta, size)
"""


def places(x: torch.Tensor) -> torch.Tensor:
    return x[:, :2].permute(0, 2, 3, 1)


def affine(x: torch.Tensor, *, align: bool = False) -> torch.Tensor:
    return functional.affine_grid(x[:, 0, :2, :3], [len(x), 3, 8, 5], align_corners=align)


def read(
    x: torch.Tensor, grid: torch.Tensor, mode: str = "bilinear", border: str = "zeros", *, align: bool = False
) -> torch.Tensor:
    return functional.grid_sample(x, grid, mode, border, align_corners=align)


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
    "a norm of one": (
        22,
        "y = LpNormalization <axis: int = 1, p: int = 1> (x)",
        lambda x: functional.normalize(x, 1.0, 1),
    ),
    "groups": (
        21,
        "t = Concat <axis: int = 1> (x, x) y = GroupNormalization <num_groups: int = 2> (t, scales, scales)",
        lambda x: functional.group_norm(
            torch.cat([x, x], 1), 2, torch.tensor(SCALE), torch.tensor(SCALE), eps=1e-5
        ),
    ),
    "reading at places": (22, f"{PLACES} y = GridSample (x, g)", lambda x: read(x, places(x))),
    "reading the nearest pixel, borders repeated": (
        20,
        f'{PLACES} y = GridSample <mode: string = "nearest", padding_mode: string = "border"> (x, g)',
        lambda x: read(x, places(x), "nearest", "border"),
    ),
    "reading by cubes, corners aligned": (
        20,
        f'{PLACES} y = GridSample <mode: string = "cubic", align_corners: int = 1> (x, g)',
        lambda x: read(x, places(x), "bicubic", align=True),
    ),
    "an affine grid": (20, f"{AFFINE} y = GridSample (x, g)", lambda x: read(x, affine(x))),
    "an affine grid, corners aligned": (
        20,
        f"{AFFINE.replace('AffineGrid', 'AffineGrid <align_corners: int = 1>')} y = GridSample (x, g)",
        lambda x: read(x, affine(x, align=True)),
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
    "zero": np.array([0]),
    "two_": np.array([2]),
    "last": np.array([3]),
    "zeros": np.array([0, 0, 0]),
    "corner": np.array([1, 2, 3]),
    "all": np.array([1, 2, 3]),
    "channel": np.array([1]),
    "left_out": np.array([0, 0, 0, 3]),
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


@pytest.mark.parametrize("opset", [13, 14, 15, 16, 17, 18])
def test_a_layer_normalisation_of_any_opset_is_understood(classifier: Make, opset: int) -> None:
    """ONNX Runtime runs it in files older than its definition of opset 17; such files are in use. So does the rule.

    What stands behind it changes between opsets 13 and 18, so that the converter is seen to do its work.
    """
    axes = "axes" if opset >= OPSET else ""
    body = f"""
      normed = LayerNormalization <axis: int = -1, epsilon: float = 0.0078125> (x, scale)
      rows = ReduceMean <{"" if axes else "axes: ints = [3], "}keepdims: int = 0> (normed{", axes" if axes else ""})
      first, second = Split <axis: int = 2{", num_outputs: int = 2" if axes else ""}> (rows)
      features = Mul (first, second)
      scores = Flatten <axis: int = 1> (features)
    """
    brought = classifier(body, head="", outputs="float[N,C] scores", opset=opset)
    scale = np.linspace(0.5, 2, 8).astype(np.float32)
    brought.graph.initializer.extend(
        numpy_helper.from_array(value, name)
        for name, value in (("scale", scale), ("axes", np.array([3])))
        if name == "scale" or axes
    )
    graph = gradient_graph(prepare(brought))
    assert [entry.domain for entry in graph.opset_import] == [""]

    images = torch.tensor(IMAGES.astype(np.float64), requires_grad=True)
    rows = functional.layer_norm(images, (8,), torch.tensor(scale).double(), None, 2.0**-7).mean(3)
    expected = (rows[:, :, :4] * rows[:, :, 4:]).flatten(1)
    cotangent = np.random.default_rng(3).normal(size=tuple(expected.shape)).astype(np.float32)
    (gradient,) = torch.autograd.grad(expected, images, torch.tensor(cotangent).double())
    found = evaluate_single(graph, {"image": IMAGES, "cotangent": cotangent})
    for name, value, wanted in zip(("logits", "gradient"), found, (expected.detach(), gradient), strict=True):
        slack = 200 * float(np.finfo(np.float32).eps) * max(float(wanted.abs().max()), 1.0)
        np.testing.assert_allclose(np.asarray(value), wanted.numpy(), rtol=0, atol=slack, err_msg=name)


@pytest.mark.parametrize("opset", [13, 16, 18, 20])
def test_what_onnx_runtime_alone_knows_can_be_classified_with(classifier: Make, opset: int) -> None:
    """Its optimiser writes such operators into files, in the standard domain; they have no rule."""
    brought = classifier("features = SimplifiedLayerNormalization <axis: int = -1> (x, scale)", opset=opset)
    brought.graph.initializer.append(numpy_helper.from_array(np.ones(8, np.float32), "scale"))
    with pytest.raises(UnsupportedOperatorError, match="SimplifiedLayerNormalization"):
        gradient_graph(prepare(brought))


@pytest.mark.parametrize("opset", [13, 17])
def test_an_operator_that_is_newer_than_its_file_is_named(classifier: Make, opset: int) -> None:
    """ONNX Runtime refuses the file, too; the converter of onnx would only say which assertion failed."""
    with pytest.raises(
        GraphError, match=rf"operator Mish .* not in opset {opset}.*export the model"
    ) as caught:
        prepare(classifier("features = Mish (x)", opset=opset))
    assert "Assertion" not in caught.value.detail


@pytest.mark.parametrize(
    ("opset", "body", "message"),
    [
        (
            22,
            "v = Unsqueeze (x, one) g = Slice (v, zero, three, four) y = GridSample (v, g)",
            "GridSample .*reads 3 axes",
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
        "one": np.array([1]),
        "three": np.array([3]),
        "four": np.array([4]),
    }
    used = {entry for node in brought.graph.node for entry in node.input}
    brought.graph.initializer.extend(
        numpy_helper.from_array(value, key) for key, value in constants.items() if key in used
    )
    with pytest.raises(GraphError, match=message):
        prepare(brought)
