"""A model that is served does not depend on its files any more."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service.bundle.load import load_bundle
from service.errors import DigestError
from service.runtime.model import LoadedModel
from service.runtime.plan import MicroBatch
from tests.tiny import DEVICE, PROGRAMS

SHIPPED = Path(__file__).parents[3] / "models" / "imagenet-efficientnet-lite0" / "1"
"""Large enough for ONNX Runtime to map its file, given its name, instead of reading it."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(SHIPPED, tmp_path / "imagenet-efficientnet-lite0" / "1")


def logits(model: LoadedModel) -> NDArray[np.float32]:
    image = np.random.default_rng(0).random((1, 3, model.height, model.width), np.float32)
    found: NDArray[np.float32] = model.run(MicroBatch(DEVICE.upload(image), 1))["logits"].numpy()
    return found


def test_who_writes_to_the_files_changes_no_answer(folder: Path) -> None:
    """A mapped file would change the logits, and kill the process where it is cut short."""
    model = LoadedModel(load_bundle(folder), DEVICE, PROGRAMS)
    before = logits(model)
    weights = folder / "weights.bin"

    with weights.open("r+b") as file:
        file.write(os.urandom(weights.stat().st_size))

    np.testing.assert_array_equal(logits(model), before)
    assert str(weights) not in Path("/proc/self/maps").read_text()


def test_what_changes_between_the_check_and_the_load_is_refused(folder: Path) -> None:
    """The bytes that are loaded are those that were checked."""
    bundle = load_bundle(folder)
    with (folder / "weights.bin").open("r+b") as file:
        file.write(b"?")

    with pytest.raises(DigestError, match=r"weights\.bin has SHA-256"):
        LoadedModel(bundle, DEVICE, PROGRAMS)
