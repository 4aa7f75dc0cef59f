"""The shipped model on the shipped photographs: a receipt tells a real map from a random one."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from service.bundle.load import load_bundle
from service.explain.methods import METHODS
from service.explain.subject import Subject
from service.faithfulness.protocol import FAST, FULL
from service.faithfulness.receipt import receipt_plan
from service.faithfulness.verdict import Verdict
from service.imaging.resize import resize
from service.runtime.drive import drive
from service.runtime.model import LoadedModel
from service.runtime.plan import MicroBatch
from tests.models.test_imagenet_efficientnet_lite0 import FOLDER, ROOT
from tests.tiny import DEVICE, PROGRAMS


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    model = LoadedModel(load_bundle(FOLDER), DEVICE, PROGRAMS)
    model.warm_up()
    return model


def subject_of(model: LoadedModel, photo: Path, seed: int = 0) -> Subject:
    view = resize(
        np.asarray(PIL.Image.open(photo).convert("RGB")),
        model.manifest.input.resize,
        height=model.height,
        width=model.width,
    )
    logits = model.run(MicroBatch(DEVICE.upload(view.image[None]), 1))["logits"].numpy()[0]
    return Subject.of(model, view.image, target=int(logits.argmax()), seed=seed)


@pytest.mark.parametrize(
    ("photo", "verdicts"),
    [
        ("coffee.jpg", {Verdict.FAITHFUL}),
        # Three kinds of cat share the probability and the animal fills the frame: little is at stake.
        ("chelsea.jpg", {Verdict.FAITHFUL, Verdict.MIXED}),
    ],
)
def test_grad_cam_is_told_from_chance(model: LoadedModel, photo: str, verdicts: set[Verdict]):
    subject = subject_of(model, ROOT / "samples" / photo)
    grad_cam = METHODS["grad_cam"]
    explanation = drive(grad_cam.plan(subject, grad_cam.parameters()), model)
    receipt = drive(receipt_plan(subject, explanation.map, protocol=FULL), model)
    assert receipt.verdict in verdicts


@pytest.mark.parametrize("photo", ["coffee.jpg", "chelsea.jpg"])
def test_random_maps_are_not_called_faithful_and_mostly_random(model: LoadedModel, photo: str):
    """A test at 5 % lets one in twenty through to `mixed`; four of four there would be one in 160,000."""
    verdicts = []
    for seed in range(4):
        subject = subject_of(model, ROOT / "samples" / photo, seed)
        noise = np.random.default_rng(1000 + seed).standard_normal((model.height, model.width))
        verdicts.append(drive(receipt_plan(subject, noise.astype(np.float32), protocol=FAST), model).verdict)
    assert Verdict.FAITHFUL not in verdicts
    assert verdicts.count(Verdict.RANDOM) >= 3
