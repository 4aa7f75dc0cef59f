"""A classifier as TensorFlow's exporters write it: channels last, automatic padding, means and ramps in pieces.

The graph holds what tf2onnx 1.17 makes of Keras models; the oracle is the same network in PyTorch, in float64, with
TensorFlow's padding worked out by its own formula.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper, parser
from torch import Tensor
from torch.nn import functional

from service.bundle.__main__ import main
from service.bundle.load import load_bundle

HEIGHT, WIDTH, CLASSES = 17, 16, 5
GRAPH = """
<ir_version: 10, opset_import: ["" : 18]>
keras (IMAGE pixels) => (float[N,5] output) {
  scaled = Mul (pixels, scale)
  centred = Sub (scaled, one)
  first = Transpose <perm: ints = [0, 3, 1, 2]> (centred)
  stem = Conv <auto_pad: string = "SAME_UPPER", kernel_shape: ints = [3, 3], strides: ints = [2, 2]> (first, w1)
  normal = BatchNormalization <epsilon: float = 0.001> (stem, gamma, beta, mean, variance)
  rectified = Relu (normal)
  relu6 = Min (rectified, six)
  bordered = Pad (relu6, border)
  depthwise = Conv <group: int = 8, kernel_shape: ints = [3, 3], strides: ints = [2, 2]> (bordered, w2)
  leaky = LeakyRelu <alpha: float = 0.125> (depthwise)
  around = AveragePool <auto_pad: string = "SAME_UPPER", kernel_shape: ints = [3, 3]> (leaky)
  both = Concat <axis: int = 1> (leaky, around)
  largest = MaxPool <auto_pad: string = "SAME_UPPER", kernel_shape: ints = [3, 3], strides: ints = [2, 2]> (both)
  squeezed = ReduceMean <keepdims: int = 0> (largest, space_first)
  shape = Shape (squeezed)
  narrow = Cast <to: int = 6> (shape)
  batch = Slice (narrow, start, end)
  target = Concat <axis: int = 0> (batch, ones)
  wide = Cast <to: int = 7> (target)
  pixel = Reshape (squeezed, wide)
  turned = Transpose <perm: ints = [0, 3, 1, 2]> (pixel)
  excited = Conv (turned, w3)
  fifth = Mul (excited, slope)
  ramp = Add (fifth, half)
  above = Max (ramp, zero)
  gate = Min (above, one)
  gated = Mul (largest, gate)
  last = Transpose <perm: ints = [0, 2, 3, 1]> (gated)
  biased = Add (last, bias)
  map = Relu (biased)
  pooled = ReduceMean <keepdims: int = 0> (map, space_last)
  product = MatMul (pooled, dense)
  scores = Add (product, offset)
  probabilities = Softmax <axis: int = -1> (scores)
  output = Identity (probabilities)
}
"""
RANDOM = np.random.default_rng(0)
WEIGHTS = {
    "w1": RANDOM.normal(scale=0.5, size=(8, 3, 3, 3)),
    "gamma": RANDOM.uniform(0.75, 1.25, size=8),
    "beta": RANDOM.normal(scale=0.3, size=8),
    "mean": RANDOM.normal(scale=0.1, size=8),
    "variance": RANDOM.uniform(0.5, 1.5, size=8),
    "w2": RANDOM.normal(scale=0.5, size=(8, 1, 3, 3)),
    "w3": RANDOM.normal(scale=2.0, size=(16, 16, 1, 1)),
    "bias": RANDOM.normal(scale=0.3, size=16),
    "dense": RANDOM.normal(size=(16, CLASSES)),
    "offset": RANDOM.normal(size=CLASSES),
}
NUMBERS = {"scale": 1 / 127.5, "one": 1.0, "six": 6.0, "slope": 0.2, "half": 0.5, "zero": 0.0}
INTEGERS = {
    "border": np.array([0, 0, 0, 0, 0, 0, 1, 1]),
    "space_first": np.array([2, 3]),
    "space_last": np.array([1, 2]),
    "start": np.array([0]),
    "end": np.array([1]),
}
IMAGES = np.random.default_rng(1).uniform(size=(2, 3, HEIGHT, WIDTH)).astype(np.float32)
COTANGENT = np.random.default_rng(2).normal(size=(2, CLASSES)).astype(np.float32)

TOLERANCE = 200 * float(np.finfo(np.float32).eps)
"""Relative: about as many roundings lie on the longest way forward and back."""


def keras_model(image: str) -> ModelProto:
    model = parser.parse_model(GRAPH.replace("IMAGE", image))
    reals = {name: np.asarray(value, np.float32) for name, value in (WEIGHTS | NUMBERS).items()}
    constants = {**reals, **INTEGERS, "ones": np.array([1, 1, 16], np.int32)}
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    return model


def same(x: Tensor, kernel: int, stride: int, fill: float = 0.0) -> Tensor:
    """TensorFlow's padding SAME: as many windows as strides fit in, the odd row of padding behind."""
    pads: list[int] = []
    for length in (x.shape[3], x.shape[2]):
        total = max((math.ceil(length / stride) - 1) * stride + kernel - length, 0)
        pads += [total // 2, total - total // 2]
    return functional.pad(x, pads, value=fill)


def reference(image: Tensor) -> tuple[Tensor, Tensor]:
    """The network from pixels in [0,1] to its last map ``[N,16,h,w]`` and its logits."""
    w = {name: torch.tensor(value.astype(np.float32)).double() for name, value in WEIGHTS.items()}
    x = image * 255 * float(np.float32(1 / 127.5)) - 1
    x = functional.conv2d(same(x, 3, 2), w["w1"], stride=2)
    x = functional.batch_norm(x, w["mean"], w["variance"], w["gamma"], w["beta"], eps=0.001)
    x = functional.pad(functional.relu6(x), (0, 1, 0, 1))
    x = functional.leaky_relu(functional.conv2d(x, w["w2"], stride=2, groups=8), 0.125)
    x = torch.cat([x, functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)], 1)
    x = functional.max_pool2d(same(x, 3, 2, -math.inf), 3, 2)
    gate = functional.conv2d(x.mean((2, 3), keepdim=True), w["w3"]) * float(np.float32(0.2)) + 0.5
    features = functional.relu(x * gate.clamp(0, 1) + w["bias"][:, None, None])
    return features, features.mean((2, 3)) @ w["dense"] + w["offset"]


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Path]:
    """Build a bundle by the command, as its author would."""

    def build_it(image: str, *options: str) -> Path:
        onnx.save(keras_model(image), tmp_path / "keras.onnx")
        (tmp_path / "classes.txt").write_text("a\nb\nc\nd\ne\n")
        command = [
            "build", str(tmp_path / "keras.onnx"), "--name", "keras", "--version", "1",
            "--classes", str(tmp_path / "classes.txt"), "--pixel-range", "255",
            "--mean", "0", "0", "0", "--std", "1", "1", "1", "--output-is", "probabilities",
            "--out", str(tmp_path / "models"), *options,
        ]  # fmt: skip
        assert main(command) == 0
        return tmp_path / "models" / "keras" / "1"

    return build_it


def run(path: Path) -> dict[str, NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"image": IMAGES, "cotangent": COTANGENT}), strict=True))


def assert_close(found: NDArray[np.float32], expected: Tensor) -> None:
    wanted = expected.detach().numpy()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE * float(np.abs(wanted).max()))


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (f"float[N,{HEIGHT},{WIDTH},3]", ()),
        ("float[N,H,W,3]", ("--size", f"{HEIGHT}x{WIDTH}")),
        ("float[N,H,W,C]", ("--size", f"{HEIGHT}x{WIDTH}", "--axes", "NHWC")),
    ],
)
def test_a_keras_model_becomes_a_bundle_with_pytorchs_gradients(
    build: Callable[..., Path], image: str, options: tuple[str, ...]
) -> None:
    """With respect to image and last map, which comes channels first."""
    folder = build(image, *options)
    leaf = torch.tensor(IMAGES).double().requires_grad_()
    features, logits = reference(leaf)
    scores = (logits * torch.tensor(COTANGENT)).sum()
    gradient, feature_gradient = torch.autograd.grad(scores, (leaf, features))

    found, layer = run(folder / "gradient.onnx"), run(folder / "features.onnx")

    assert_close(found["logits"], logits)
    assert_close(found["gradient"], gradient)
    assert_close(layer["features"], features)
    assert_close(layer["feature_gradient"], feature_gradient)
    differences = load_bundle(folder).manifest.parity
    assert differences.gradient is not None
    assert differences.gradient.errors.largest < 1e-4
