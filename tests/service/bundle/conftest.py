"""A small classifier with every trait that matters here: weights above and below 1 KiB, kinks, a feature layer."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, numpy_helper, parser

from service.bundle.build import Oracles, build_bundle
from service.bundle.recipe import Recipe

CLASSES = ("red", "green", "blue", "grey", "other")

GRAPH = """
<ir_version: 10, opset_import: ["" : 20]>
small (float[N,3,16,16] pixels) => (float[N,5] scores) {
  a = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (pixels, w1, b1)
  b = Relu (a)
  c = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1], strides = [2, 2]> (b, w2)
  d = Relu (c)
  e = GlobalAveragePool (d)
  f = Flatten (e)
  scores = Gemm <transB = 1> (f, w3, b3)
}
"""


def make_classifier() -> ModelProto:
    model = parser.parse_model(GRAPH)
    generator = np.random.default_rng(0)
    shapes = {"w1": (8, 3, 3, 3), "b1": (8,), "w2": (16, 8, 3, 3), "w3": (5, 16), "b3": (5,)}
    for name, shape in shapes.items():
        array = generator.normal(scale=0.5, size=shape).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    return model


def make_recipe() -> Recipe:
    return Recipe(
        name="small",
        version="1",
        created=datetime(2024, 5, 17, tzinfo=UTC),
        classes=CLASSES,
        origin="made up for tests",
        licence="Apache-2.0",
    )


@pytest.fixture
def classifier() -> ModelProto:
    """A new one each time: tests change it."""
    return make_classifier()


@pytest.fixture
def recipe() -> Recipe:
    return make_recipe()


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[ModelProto], Path]:
    """Write a model to a file, as somebody would bring it."""

    def save(model: ModelProto) -> Path:
        path = tmp_path / "brought.onnx"
        onnx.save(model, path)
        return path

    return save


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One bundle, built once and never changed."""
    folder = tmp_path_factory.mktemp("built")
    onnx.save(make_classifier(), folder / "brought.onnx")
    built = build_bundle(
        folder / "brought.onnx", make_recipe(), folder / "models", oracles=Oracles(directions=1)
    )
    return built.folder


@pytest.fixture
def bundle(built: Path, tmp_path: Path) -> Path:
    """A copy of the bundle for one test alone."""
    folder = tmp_path / "models" / "small" / "1"
    shutil.copytree(built, folder)
    return folder


@pytest.fixture
def rewrite(bundle: Path) -> Callable[..., Path]:
    """Change fields of the bundle's manifest; two underscores lead into a part."""

    def change(**fields: object) -> Path:
        path = bundle / "manifest.json"
        content = json.loads(path.read_text())
        for name, value in fields.items():
            *parts, last = name.split("__")
            target = content
            for part in parts:
                target = target[part]
            target[last] = value
        path.write_text(json.dumps(content))
        return bundle

    return change


@pytest.fixture
def tiny() -> ModelProto:
    """A classifier with no tensor of 1 KiB: the mean colour, doubled."""
    text = "g (float[N,3,4,4] x) => (float[N,3] y) { m = GlobalAveragePool(x) f = Flatten(m) y = Add(f, f) }"
    return parser.parse_model('<ir_version: 10, opset_import: ["" : 20]>' + text)
