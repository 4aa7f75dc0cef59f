"""A tiny problem: 8x8 pictures, bright left or bright right, that a few steps can learn."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn

from training.config import Config, load_config


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """The machine is shared, and one thread adds in one order."""
    torch.set_num_threads(1)


def write_pictures(folder: Path, count: int, random: np.random.Generator) -> None:
    for label, name in enumerate(("left", "right")):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            picture = random.integers(60, 120, (8, 8, 3), dtype=np.uint8)
            picture[:, 4 * label : 4 * label + 4] += 80
            PIL.Image.fromarray(picture).save(folder / name / f"{number:02}.png")


@pytest.fixture(scope="session")
def pictures_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    write_pictures(root / "train", 20, random)
    write_pictures(root / "test", 8, random)
    return root


MakeConfig = Callable[..., Config]


@pytest.fixture
def make_config(pictures_root: Path, tmp_path: Path) -> MakeConfig:
    """A run on the tiny problem; keywords are dotted keys with __ for the dot."""

    def make(**changes: object) -> Config:
        flags = {
            "output": str(tmp_path / "run"),
            "data.root": str(pictures_root),
            "data.size": "8",
            "data.shift": "1",
            "data.flip": "false",
            "data.validation_fraction": "0.2",
            "model.width": "4",
            "optimiser.epochs": "2",
            "optimiser.batch_size": "8",
            "optimiser.learning_rate": "0.05",
            "attack.epsilon": "0.05",
            "attack.steps": "2",
            "schedule.warm_up": "0.0",
            "schedule.ramp": "0.0",
            "device.accelerator": "cpu",
            "device.threads": "1",
            **{key.replace("__", "."): str(value) for key, value in changes.items()},
        }
        return load_config(None, flags)

    return make


@pytest.fixture
def network() -> nn.Module:
    """Convolution, BatchNorm, Dropout, ReLU: everything whose mode or statistics could leak."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(24, 3),
    )


@pytest.fixture
def images() -> torch.Tensor:
    """Away from black and white, so that every pixel may move both ways."""
    return 0.2 + 0.6 * torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.tensor([0, 1, 2, 0, 1])


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(2)
