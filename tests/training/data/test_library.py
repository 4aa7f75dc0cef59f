"""torchvision's sets, made up: nothing is downloaded."""

import PIL.Image
import pytest
import torchvision

from training.config import DataConfig
from training.data.read import read_test, read_training
from training.errors import DataError


class Imagenette:
    """Two classes and two parts, as the real one names them."""

    classes = (("tench", "Tinca tinca"), ("church", "church building"))

    def __init__(self, split: str = "train", **_: object) -> None:
        if split not in {"train", "val"}:
            raise ValueError(f"Unknown value '{split}' for argument split")
        self._count = 20 if split == "train" else 6

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> tuple[PIL.Image.Image, int]:
        if number >= self._count:
            raise IndexError
        return PIL.Image.new("RGB", (8, 8), (number, 0, 0)), number % 2


def _without_parts(*, root: str, download: bool) -> None:
    del root, download


@pytest.fixture(autouse=True)
def sets(monkeypatch):
    monkeypatch.setattr(torchvision.datasets, "Imagenette", Imagenette)
    monkeypatch.setattr(torchvision.datasets, "Caltech101", _without_parts)


def config(name: str) -> DataConfig:
    return DataConfig(kind="torchvision", name=name, size=8)


def test_a_set_of_two_parts_is_tested_on_the_second():
    """Imagenette calls it `val`; training keeps back pictures of its own and never sees it."""
    training, validation = read_training(config("Imagenette"))
    test = read_test(config("Imagenette"), training.classes)
    assert training.classes == ("tench", "church")
    assert (len(training) + len(validation), len(test)) == (20, 6)


def test_a_set_without_parts_says_so():
    """It is there and could be downloaded; the way out is another."""
    with pytest.raises(DataError, match=r"Caltech101 has no part 'train'.*folder"):
        read_training(config("Caltech101"))


def test_a_set_that_nobody_has_is_named():
    with pytest.raises(DataError, match="no data set 'CIFAR11'"):
        read_training(config("CIFAR11"))
