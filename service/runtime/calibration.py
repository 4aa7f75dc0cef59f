"""How fast a model runs on its device, measured at start-up instead of guessed."""

import logging
import math
import statistics
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from service.runtime.device import Device
from service.runtime.drive import drive
from service.runtime.incremental import IncrementalPasses
from service.runtime.memory import DeviceFullError
from service.runtime.plan import Answer, Direction, MicroBatch, Plan, Stage
from service.runtime.programs import Programs

log = logging.getLogger(__name__)

_SIZES = {"cpu": (1, 2, 4, 8), "cuda": (8, 16, 32, 64, 128)}
_REPEATS = 3
# A larger micro-batch makes everybody else wait longer, so it has to earn it.
_WORTHWHILE = 0.95


@dataclass(frozen=True, slots=True)
class Pace:
    """The micro-batch that was fastest per pass, and how fast that is.

    Args:
        micro_batch: Passes per call.
        pass_seconds: Median seconds of a call, divided by its passes.
    """

    micro_batch: int
    pass_seconds: float


class Measurable(Protocol):
    """What is known of a model that can be measured: how to run it, and how explanations ask it."""

    device: Device
    programs: Programs
    classes: tuple[str, ...]
    height: int
    width: int
    incremental: IncrementalPasses | None

    @property
    def name(self) -> str:
        """What an operator calls it."""
        ...

    def run(self, batch: MicroBatch) -> Answer:
        """Answer one micro-batch."""
        ...

    def cost(self, batch: MicroBatch) -> float:
        """Say what it costs, in forward passes."""
        ...


class TimedModel:
    """Runs a model's micro-batches and keeps the time, whatever a scheduler runs in between.

    Args:
        model: What is measured.
    """

    pass_seconds = 0.0
    """Not known: that is what is being measured."""

    def __init__(self, model: Measurable) -> None:
        self.model = model
        self.name = model.name
        self.seconds = 0.0
        """Duration of the last micro-batch; infinite if the device had no memory for it."""

    def run(self, batch: MicroBatch) -> Answer:
        """Answer one micro-batch.

        Raises:
            DeviceFullError: There is no memory even for the smallest.
        """
        begin = time.perf_counter()
        try:
            answer = self.model.run(batch)
        except DeviceFullError:
            if batch.size == _SIZES[self.model.device.kind][0]:
                raise
            self.seconds = float("inf")
            return {}
        self.seconds = time.perf_counter() - begin
        return answer

    def cost(self, batch: MicroBatch) -> float:
        """Say what it costs, in forward passes."""
        return self.model.cost(batch)

    def shrink(self, batch: MicroBatch) -> bool:
        """Tell that it cannot: the sizes are what is tried."""
        del batch
        return False


def measure_pace(model: Measurable, direction: Direction) -> Pace:
    """Measure a model that nobody else uses."""
    timed = TimedModel(model)
    return drive(pace_plan(timed, direction), timed)


def pace_plan(timed: TimedModel, direction: Direction) -> Plan[Pace]:
    """Try the micro-batch sizes in turn and keep the fastest, preferring the smaller where it is close.

    Args:
        timed: What the plan must be run by.
        direction: What is measured.
    """
    best = Pace(1, float("inf"))
    for size in _SIZES[timed.model.device.kind]:
        seconds = yield from _seconds_per_pass(timed, direction, size)
        if math.isinf(seconds):
            break  # larger ones do not fit either
        if seconds < _WORTHWHILE * best.pass_seconds:
            best = Pace(size, seconds)
    log.info(
        "%s %s: micro-batch %d, %.1f ms per pass",
        timed.model.name,
        direction,
        best.micro_batch,
        1e3 * best.pass_seconds,
    )
    return best


def _seconds_per_pass(
    timed: TimedModel, direction: Direction, size: int
) -> Generator[MicroBatch, Answer, float]:
    batch = _as_asked(timed.model, direction, size)
    yield batch  # the first call of a size allocates
    if math.isinf(timed.seconds):
        return timed.seconds
    durations = []
    for _ in range(_REPEATS):
        yield batch
        durations.append(timed.seconds)
    return statistics.median(durations) / size


def _as_asked(model: Measurable, direction: Direction, size: int) -> MicroBatch:
    """Make a micro-batch as explanations ask for it: images are made from one, answers reduced.

    Bare passes would say that a micro-batch of one is as good as any: what is paid once per micro-batch lies
    around them.
    """
    classes = len(model.classes)
    scalars = Stage(model.programs.single_label_scalars, {"cotangent": np.zeros((classes, 1), np.float32)})
    if direction is Direction.INCREMENTAL and model.incremental is not None:
        return MicroBatch(model.incremental.sample(size), size, direction, answer=scalars)
    grey = model.device.upload(np.full((1, 3, model.height, model.width), 0.5, np.float32))
    inputs = {"image": grey, "replacement": grey, "windows": np.zeros((size, 4), np.int64)}
    images = Stage(model.programs.windows, inputs)
    if direction is not Direction.FORWARD:
        return MicroBatch(images, size, direction, np.ones((size, classes), np.float32))
    return MicroBatch(images, size, answer=scalars)
