"""Deletion and insertion against TorchCAM's, on the same map, baseline and steps."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torchcam.metrics import DeletionInsertionMetric

from service.explain.subject import Subject
from service.faithfulness.grid import Grid
from service.faithfulness.operators.registry import OPERATORS
from service.faithfulness.order import most_relevant_first
from service.faithfulness.panel import Orders, panel_plan
from service.runtime.drive import drive
from service.runtime.plan import MicroBatch
from tests.tiny import conv_model, load_tiny

SIZE, STEPS = 8, 16
RNG = np.random.default_rng(6)
KERNEL = RNG.standard_normal((5, 3, 3, 3)).astype(np.float32)
HEAD = (4 * RNG.standard_normal((4, 5))).astype(np.float32)


class Network(torch.nn.Module):
    """The same classifier in PyTorch."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = torch.relu(torch.nn.functional.conv2d(images, torch.from_numpy(KERNEL), padding=1))
        return features.mean((2, 3)) @ torch.from_numpy(HEAD).T


class Given:
    """What TorchCAM takes for a CAM extractor, with a map that is already there."""

    def __init__(self, saliency: np.ndarray[Any, np.dtype[np.float32]]) -> None:
        self.model = Network()
        self._map = torch.from_numpy(saliency)[None]

    def __call__(self, *_: object, **__: object) -> list[torch.Tensor]:
        return [self._map]

    def fuse_cams(self, maps: list[torch.Tensor]) -> torch.Tensor:
        return maps[0]

    def _hooks_off(self) -> torch.inference_mode:
        return torch.inference_mode()


@pytest.mark.parametrize("name", ["black", "channel_mean"])
def test_areas_are_torchcams(name: str, tmp_path: Path):
    """Its insertion restores what ours removes last, so its area is that of our LeRF curve.

    64 pixels in 16 steps of 4, where both cut alike. Within 1e-5: sums of float32 in another order.
    """
    pixels = RNG.random((3, SIZE, SIZE)).astype(np.float32)
    saliency = RNG.standard_normal((SIZE, SIZE)).astype(np.float32)
    model = load_tiny(conv_model(KERNEL, HEAD, size=SIZE), tmp_path)
    subject = Subject.of(model, pixels, target=2)
    clear = model.run(MicroBatch(subject.image, 1, answer=subject.scalars))["probability"].numpy()[0]
    grid = Grid.over(SIZE, SIZE, rows=SIZE, columns=SIZE)
    orders = Orders(
        map=most_relevant_first(grid.cell_sums(saliency), RNG), beyond=None, controls={}, random=1
    )
    plan = panel_plan(subject, OPERATORS[name], grid, orders, steps=STEPS, clear_probability=float(clear))
    ours = drive(plan, model).map

    mean = torch.from_numpy(pixels).mean((1, 2), keepdim=True)
    theirs = DeletionInsertionMetric(
        Given(saliency),
        logits_fn=lambda logits: logits.softmax(-1),
        steps=STEPS,
        baseline=None if name == "black" else mean,
    )
    theirs.update(torch.from_numpy(pixels)[None], class_idx=2)
    found = SimpleNamespace(**theirs.summary())
    assert ours.auc_morf == pytest.approx(found.deletion_auc, abs=1e-5)
    assert ours.auc_lerf == pytest.approx(found.insertion_auc, abs=1e-5)
