"""A batch of perturbed images never visits the host: one image goes up, a few numbers come down."""

from pathlib import Path

import numpy as np
import pytest
from onnxruntime import OrtValue

from service.bundle.load import load_bundle
from service.explain.methods import METHODS
from service.explain.subject import Subject
from service.faithfulness.receipt import receipt_plan
from service.runtime.device import Device, choose_device
from service.runtime.drive import drive
from service.runtime.model import LoadedModel
from service.runtime.plan import Direction, MicroBatch, Plan
from service.runtime.program import Program
from service.runtime.programs import Programs
from tests.devices import DEVICES

BUNDLE = Path(__file__).parents[3] / "models" / "cifar10-standard" / "1"
BATCH = 8
IMAGE_BYTES = 3 * 32 * 32 * 4

PARAMETERS = {
    "occlusion": {"window": 8, "stride": 4},
    "rise": {"masks": 40},
    "lime": {"samples": 40},
    "kernel_shap": {"samples": 40},
    "noise_sensitivity": {"stride": 4, "deviation": 3.0},
    "smooth_grad": {"samples": 24},
    "integrated_gradients": {},
}


class Traffic:
    """Bytes of every tensor that crossed between host and device, in either direction."""

    def __init__(self) -> None:
        self.up: list[int] = []
        self.down: list[int] = []
        self.passes = 0


@pytest.fixture(scope="module", params=DEVICES)
def model(request: pytest.FixtureRequest) -> LoadedModel:
    device = choose_device(request.param)
    loaded = LoadedModel(load_bundle(BUNDLE), device, Programs(device))
    loaded.warm_up()
    return loaded


@pytest.fixture
def traffic(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> Traffic:
    """Counts at the only three places where a tensor can cross: upload, an operand of a call, and numpy()."""
    counted = Traffic()
    upload, call, numpy, run = Device.upload, Program.__call__, OrtValue.numpy, LoadedModel.run

    def counting_upload(self: Device, array: np.ndarray) -> OrtValue:
        counted.up.append(array.nbytes)
        return upload(self, array)

    def counting_call(self: Program, inputs: dict, outputs: object = None) -> dict:
        counted.up += [operand.nbytes for operand in inputs.values() if isinstance(operand, np.ndarray)]
        return call(self, inputs, outputs)

    def counting_numpy(self: OrtValue) -> np.ndarray:
        array = numpy(self)
        counted.down.append(array.nbytes)
        return array

    def counting_run(self: LoadedModel, batch: MicroBatch) -> object:
        counted.passes += batch.size
        return run(self, batch)

    assert model.micro_batch(Direction.FORWARD) >= 1  # warmed up, before anything is counted
    monkeypatch.setattr(LoadedModel, "micro_batch", lambda _self, _direction: BATCH)
    for owner, name, counting in (
        (Device, "upload", counting_upload),
        (Program, "__call__", counting_call),
        (OrtValue, "numpy", counting_numpy),
        (LoadedModel, "run", counting_run),
    ):
        monkeypatch.setattr(owner, name, counting)
    return counted


def subject(model: LoadedModel) -> Subject:
    return Subject.of(model, np.random.default_rng(4).random((3, 32, 32), dtype=np.float32), target=3)


def check(traffic: Traffic, *, passes: int) -> None:
    """No tensor is larger than two images in float64: the image, a baseline, a sum of gradients, a map."""
    assert traffic.passes >= passes
    assert max(traffic.up + traffic.down) <= 2 * IMAGE_BYTES
    assert sum(traffic.up) + sum(traffic.down) < traffic.passes * IMAGE_BYTES / 2


@pytest.mark.parametrize("method", PARAMETERS)
def test_no_batch_of_images_crosses_while_explaining(model: LoadedModel, traffic: Traffic, method: str):
    """Copying each image there and back would be two images a pass; all that crosses is less than half of one."""
    chosen = METHODS[method]
    drive(chosen.plan(subject(model), chosen.parameters.model_validate(PARAMETERS[method])), model)
    check(traffic, passes=16)


def test_no_batch_of_images_crosses_while_measuring(model: LoadedModel, traffic: Traffic):
    saliency = np.random.default_rng(5).random((32, 32)).astype(np.float32)

    def plan() -> Plan[object]:
        return (yield from receipt_plan(subject(model), saliency))

    drive(plan(), model)
    check(traffic, passes=40)


def test_a_batch_that_did_cross_would_be_noticed(model: LoadedModel, traffic: Traffic):
    images = np.zeros((BATCH, 3, 32, 32), np.float32)
    model.run(MicroBatch(model.device.upload(images), BATCH))
    with pytest.raises(AssertionError):
        check(traffic, passes=BATCH)
