"""The real app over the real engine, with a classifier of a few kilobytes."""

import io
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import PIL.Image
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from onnx import numpy_helper, parser

from service.bundle.build import Oracles, build_bundle
from service.bundle.recipe import Recipe
from service.engine import Engine
from service.http.application import create_app
from service.runtime.device import choose_device
from service.runtime.store import ModelStore
from service.settings import Settings
from service.watching import DeviceWatch

CLASSES = ("red", "green", "blue")

COLOURS = """
<ir_version: 10, opset_import: ["" : 20]>
colours (float[N,3,16,16] pixels) => (float[N,3] scores) {
  a = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (pixels, kernel)
  b = Relu (a)
  c = GlobalAveragePool (b)
  d = Flatten (c)
  scores = Gemm <transB = 1> (d, head)
}
"""
"""Class k's logit is ten times the mean of channel k, so the answer to a flat picture is known beforehand."""


def _classifier(head: NDArray[np.float32]) -> onnx.ModelProto:
    model = parser.parse_model(COLOURS)
    kernel = np.zeros((3, 3, 3, 3), np.float32)
    kernel[range(3), range(3), 1, 1] = 1
    for name, array in (("kernel", kernel), ("head", head)):
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    return model


def build_colours(models: Path, *, version: str = "1", confidence: float = 10, name: str = "colours") -> Path:
    """Build a bundle of it in a folder of bundles; its logits grow with *confidence*. Return the bundle's folder."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "colours.onnx"
        onnx.save(_classifier(confidence * np.eye(3, dtype=np.float32)), file)
        recipe = Recipe(
            name=name,
            version=version,
            created=datetime(2026, 1, 1, tzinfo=UTC),
            classes=CLASSES,
            origin="made up for tests",
            licence="Apache-2.0",
        )
        build_bundle(file, recipe, models, oracles=Oracles(directions=1))
    return models / name / version


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one bundle, ``colours`` version 1."""
    folder = tmp_path_factory.mktemp("colours") / "models"
    build_colours(folder)
    return folder


@pytest.fixture(scope="session")
def settings(models: Path) -> Settings:
    """Small limits, so that they are reached by small bodies."""
    return Settings(
        models=models,
        provider="cpu",
        threads=1,
        max_body_bytes=300_000,
        max_form_fields=20,
        max_field_bytes=2048,
        max_pixels=1_000_000,
        max_side=4000,
        cors_origins=("https://trusted.example",),
    )


@pytest.fixture(scope="session")
def engine(models: Path) -> Iterator[Engine]:
    """The real one."""
    with Engine(ModelStore(models, choose_device("cpu", threads=1)), watch=DeviceWatch()) as engine:
        yield engine


@pytest.fixture(scope="session")
def client(engine: Engine, settings: Settings) -> Iterator[TestClient]:
    """Speaks to the app in process; an exception that leaves the app is a failed test."""
    with TestClient(create_app(engine, settings)) as client:
        yield client


def picture_file(colour: str | tuple[int, ...] = "red", *, size: int = 32, name: str = "PNG") -> bytes:
    """A flat picture with a green square, as a file."""
    image = PIL.Image.new("RGB", (size, size), colour)
    image.paste("green", (size // 4, size // 4, size // 2, size // 2))
    buffer = io.BytesIO()
    image.save(buffer, name)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A mostly red PNG of 32 x 32."""
    return picture_file()


@pytest.fixture(scope="session")
def make_picture() -> Callable[..., bytes]:
    """Make other pictures."""
    return picture_file
