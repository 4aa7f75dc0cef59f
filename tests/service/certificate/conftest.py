"""Small bundles whose sanity checks have known outcomes, and pictures for them."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import PIL.Image
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, parser

from service.bundle.build import Oracles, build_bundle
from service.bundle.load import Bundle
from service.bundle.recipe import Recipe
from service.imaging.resize import Stretch
from tests.tiny import linear_model

SIDE = 24
CLASSES = 5


def from_text(text: str) -> ModelProto:
    """Parse a graph whose weights are still to come, so that it cannot be checked yet."""
    model: ModelProto = parser.parse_model('<ir_version: 10, opset_import: ["" : 18]>' + text)
    return model


def bundle_of(model: ModelProto, folder: Path, name: str) -> Bundle:
    onnx.save(model, folder / "brought.onnx")
    count = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    recipe = Recipe(
        name=name,
        version="1",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        classes=tuple(f"class {index}" for index in range(count)),
        origin="made up for tests",
        resize=Stretch(),
    )
    return build_bundle(folder / "brought.onnx", recipe, folder / "models", oracles=Oracles(directions=0))


@pytest.fixture(scope="session")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """``logits = W x`` with independent weights: nothing links the gradient of one class with another's."""
    weight = np.random.default_rng(1).standard_normal((CLASSES, 3, SIDE, SIDE)).astype(np.float32)
    folder = tmp_path_factory.mktemp("linear")
    return bundle_of(linear_model(weight, np.zeros(CLASSES, np.float32)), folder, "linear")


def blob(random: np.random.Generator) -> NDArray[np.float32]:
    """``[3, SIDE, SIDE]``: a coloured disc on a coloured ground, with some grain."""
    row, column = np.mgrid[:SIDE, :SIDE]
    top, left, radius = random.uniform(6, 18), random.uniform(6, 18), random.uniform(3, 7)
    inside = (row - top) ** 2 + (column - left) ** 2 < radius**2
    ground, colour = random.random((2, 3, 1, 1))
    noise = 0.05 * random.standard_normal((3, SIDE, SIDE))
    return np.clip(np.where(inside, colour, ground) + noise, 0, 1).astype(np.float32)


@pytest.fixture(scope="session")
def images() -> tuple[NDArray[np.float32], ...]:
    random = np.random.default_rng(2)
    return tuple(blob(random) for _ in range(12))


@pytest.fixture
def folder_of_pictures(tmp_path: Path) -> Callable[[int], Path]:
    """Write so many pictures to a folder, one of them below it."""

    def write(count: int) -> Path:
        random = np.random.default_rng(3)
        folder = tmp_path / "pictures"
        (folder / "below").mkdir(parents=True)
        for index in range(count):
            pixels = (255 * blob(random)).astype(np.uint8).transpose(1, 2, 0)
            PIL.Image.fromarray(pixels).save(folder / ("below" if index == 0 else ".") / f"{index}.png")
        return folder

    return write
