"""A device that is full: told from other failures, and survived."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from onnxruntime import OrtValue

from service.engine import Engine
from service.errors import OverloadedError
from service.graphs.programs import parse
from service.request import ExplainOptions
from service.runtime.calibration import measure_pace
from service.runtime.memory import DeviceFullError
from service.runtime.model import LoadedModel
from service.runtime.plan import Answer, Direction, MicroBatch
from service.runtime.program import Program
from tests.tiny import DEVICE, conv_model, load_tiny

RNG = np.random.default_rng(8)
PICTURE = RNG.integers(0, 256, (20, 20, 3), dtype=np.uint8)


class Cramped(LoadedModel):
    """Runs out of memory above so many passes at once, in ONNX Runtime's words."""

    room = 10**9

    def run(self, batch: MicroBatch) -> Answer:
        if batch.size > self.room:
            raise DeviceFullError("Failed to allocate memory for requested buffer of size 4000000000")
        return super().run(batch)


@pytest.fixture
def model(tmp_path: Path) -> Cramped:
    kernel = RNG.standard_normal((4, 3, 3, 3)).astype(np.float32)
    loaded = load_tiny(conv_model(kernel, RNG.standard_normal((3, 4)).astype(np.float32), size=16), tmp_path)
    loaded.__class__ = Cramped
    assert isinstance(loaded, Cramped)
    loaded.warm_up()
    return loaded


def widen(model: Cramped, micro_batch: int) -> None:
    """As if that had been the fastest at start-up."""
    for direction, pace in model._paces.items():
        model._paces[direction] = type(pace)(micro_batch, pace.pass_seconds)


def engine_of(model: LoadedModel) -> Engine:
    return Engine(SimpleNamespace(get=lambda _name=None, _version=None: model))  # type: ignore[arg-type]


def test_onnx_runtimes_own_failure_to_allocate_is_recognised():
    """160 terabytes, from the real arena."""
    program = Program(
        parse(
            "big (float[1] x, int64[2] shape) => (float[N,M] y) { y = Expand (x, shape) }"
        ).SerializeToString(),
        DEVICE,
    )
    inputs: Mapping[str, np.ndarray] = {"x": np.ones(1, np.float32)}
    with pytest.raises(DeviceFullError, match="160000000000000"):
        program({**inputs, "shape": np.array([10**7, 4 * 10**6])})
    assert program({**inputs, "shape": np.array([2, 3])})["y"].numpy().shape == (2, 3)


def test_another_failure_of_onnx_runtime_stays_what_it_is():
    """A wrong shape must not make micro-batches smaller."""
    program = Program(
        parse("sum (float[N] x, float[N] y) => (float[N] z) { z = Add (x, y) }").SerializeToString(), DEVICE
    )
    with pytest.raises(Exception, match=r"(?i)broadcast|axis|dimension") as failed:
        program({"x": np.ones(2, np.float32), "y": OrtValue.ortvalue_from_numpy(np.ones(3, np.float32))})
    assert not isinstance(failed.value, DeviceFullError)


@pytest.mark.parametrize("method", ["rise", "smooth_grad"])
def test_an_explanation_is_the_same_after_the_micro_batch_had_to_shrink(model: Cramped, method: str):
    """From 16 to 4, in every direction that it needs; later requests begin with 4."""
    options = ExplainOptions(
        method=method, parameters={"masks": 60} if method == "rise" else {"samples": 20}, receipt="none"
    )
    with engine_of(model) as engine:
        widen(model, 4)
        expected = engine.explain(PICTURE, options).result(60)
        widen(model, 16)
        model.room = 4
        got = engine.explain(PICTURE, options).result(60)
    assert got.explanation.map.tobytes() == expected.explanation.map.tobytes()
    assert got.explanation.forwards == expected.explanation.forwards
    used = Direction.FORWARD if method == "rise" else Direction.GRADIENT
    assert model.micro_batch(used) == 4


def test_a_model_that_does_not_fit_at_all_is_refused_as_overload(model: Cramped):
    model.room = 0
    with engine_of(model) as engine, pytest.raises(OverloadedError, match="not enough free memory"):
        engine.explain(PICTURE, ExplainOptions(method="gradient", receipt="none")).result(60)


def test_two_requests_that_fill_the_device_together_halve_once(model: Cramped):
    """The second one's micro-batch is of the size that the first one has just given up."""
    widen(model, 16)
    image = DEVICE.upload(np.zeros((16, 3, 16, 16), np.float32))
    assert model.shrink(MicroBatch(image, 16))
    assert model.shrink(MicroBatch(image, 16))
    assert model.micro_batch(Direction.FORWARD) == 8
    assert not model.shrink(MicroBatch(image, 1))


def test_start_up_tries_no_larger_micro_batch_than_fits(model: Cramped):
    model.room = 2
    assert measure_pace(model, Direction.FORWARD).micro_batch <= 2
    model.room = 0
    with pytest.raises(DeviceFullError):
        measure_pace(model, Direction.FORWARD)
