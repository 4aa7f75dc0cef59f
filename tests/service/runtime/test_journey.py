"""What is noted of a request on its way, with the real scheduler and models that do nothing."""

import threading
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from service.runtime.journey import Journey
from service.runtime.lanes import Weight
from service.runtime.memory import DeviceFullError
from service.runtime.plan import MicroBatch, Plan
from service.runtime.scheduler import Scheduler
from tests.server import LONGEST_S

IMAGE: Any = np.zeros(1)  # nobody looks at it


class Model:
    """Answers with nothing, once its gate is open; too large a micro-batch does not fit."""

    name = "stub"
    pass_seconds = 0.0

    def __init__(self, room: int = 128) -> None:
        self.room = room
        self.gate, self.busy = threading.Event(), threading.Event()

    def run(self, batch: MicroBatch) -> dict[str, Any]:
        self.busy.set()
        assert self.gate.wait(LONGEST_S)
        if batch.size > self.room:
            raise DeviceFullError("full")
        return {}

    def cost(self, batch: MicroBatch) -> float:
        return batch.size

    def shrink(self, _batch: MicroBatch) -> bool:
        return True


def steps(sizes: list[int]) -> Plan[None]:
    while sizes:
        yield MicroBatch(IMAGE, sizes.pop(0))


def submit(owner: Scheduler, model: Model, weight: Weight, *sizes: int) -> "tuple[Journey, Future[None]]":
    journey, left = Journey(), list(sizes)
    done = owner.submit(lambda: steps(left), model, weight=weight, forwards=sum(sizes), journey=journey)
    return journey, done


def test_a_request_s_passes_and_lost_turns_are_counted() -> None:
    """One of three micro-batches has begun when a prediction comes and goes first."""
    model, owner = Model(), Scheduler(queue_forwards=1000)
    explained, explanation = submit(owner, model, Weight.EXPLAIN, 4, 4, 2)
    assert model.busy.wait(LONGEST_S)
    predicted, prediction = submit(owner, model, Weight.PREDICT, 1)
    model.gate.set()
    explanation.result(LONGEST_S)
    prediction.result(LONGEST_S)
    owner.close(LONGEST_S)

    assert (explained.forwards, explained.micro_batches, explained.preemptions) == (10, 3, 1)
    assert (predicted.forwards, predicted.micro_batches, predicted.preemptions) == (1, 1, 0)


def test_its_moments_are_in_order_and_the_device_is_part_of_the_rest() -> None:
    """They are by one clock; a result is there only after its end has been noted."""
    model, owner = Model(), Scheduler(queue_forwards=1000)
    model.gate.set()
    journey, done = submit(owner, model, Weight.EXPLAIN, 4, 4)
    done.result(LONGEST_S)

    assert journey.accepted_s is not None
    assert journey.begun_s is not None
    assert journey.ended_s is not None
    assert journey.accepted_s <= journey.begun_s <= journey.ended_s
    assert 0 < journey.device_s <= journey.ended_s - journey.begun_s
    owner.close(LONGEST_S)


def test_a_restart_is_counted_and_its_passes_are_those_that_succeeded() -> None:
    """The first micro-batch does not fit; the plan that begins anew asks for smaller ones."""
    model, owner = Model(room=4), Scheduler(queue_forwards=1000)
    model.gate.set()
    journey, done = submit(owner, model, Weight.EXPLAIN, 8, 4, 4)
    done.result(LONGEST_S)
    owner.close(LONGEST_S)

    assert (journey.restarts, journey.forwards, journey.micro_batches) == (1, 8, 2)


def test_a_request_that_is_cancelled_in_the_queue_was_never_begun() -> None:
    """Its trace shows a wait and nothing else."""
    model, owner = Model(), Scheduler(queue_forwards=1000)
    submit(owner, model, Weight.EXPLAIN, 1)
    assert model.busy.wait(LONGEST_S)
    journey, waiting = submit(owner, model, Weight.EXPLAIN, 1)
    waiting.cancel()
    model.gate.set()
    owner.close(LONGEST_S)

    assert journey.accepted_s is not None
    assert (journey.begun_s, journey.ended_s, journey.micro_batches) == (None, None, 0)


def test_a_stage_that_fails_is_noted_too() -> None:
    """It is what one wants to see."""
    journey = Journey()
    with pytest.raises(ZeroDivisionError), journey.stage("explain"):
        1 / 0  # noqa: B018 - for its failure

    (stage,) = journey.stages
    assert stage.name == "explain"
    assert stage.begin_s <= stage.end_s
