"""Interleaving, fairness, refusal and failure, with runners that record what ran when."""

import gc
import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from service.errors import BudgetError, DrainingError, OverloadedError
from service.runtime import scheduler as module
from service.runtime.lanes import Weight
from service.runtime.memory import DeviceFullError
from service.runtime.plan import DeadlineReached, MicroBatch, Plan
from service.runtime.scheduler import Scheduler
from service.runtime.watch import Deadline, Unwatched, Watch
from tests.server import LONGEST_S

IMAGE: Any = np.zeros(1)  # the recorders below never look at it

SOON_S = (1.0, 8.0, 64.0)
"""Deadlines that come soon, each a last resort for the one before: a busy machine may begin too late with a request."""


def moment(seconds: float) -> float:
    return time.monotonic() + seconds


class Recorder:
    """Answers every micro-batch with nothing, notes whose it was, and can be made to wait."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.busy = threading.Event()

    def runner(self, name: str) -> "_Named":
        return _Named(self, name)


class Stub:
    """A model without a name, a pace or anything to shrink."""

    name = "stub"
    pass_seconds = 0.0

    def cost(self, batch: MicroBatch) -> float:
        return batch.size

    def shrink(self, _batch: MicroBatch) -> bool:
        return False


class _Named(Stub):
    def __init__(self, recorder: Recorder, name: str) -> None:
        self.recorder, self.name = recorder, name

    def run(self, _batch: MicroBatch) -> dict[str, Any]:
        self.recorder.busy.set()
        assert self.recorder.gate.wait(LONGEST_S)
        self.recorder.ran.append(self.name)
        return {}


def steps(count: int) -> Plan[int]:
    for _ in range(count):
        yield MicroBatch(IMAGE, 1)
    return count


def endless() -> Plan[None]:
    while True:
        yield MicroBatch(IMAGE, 1)


@contextmanager
def scheduler(queue_forwards: int = 1000, watch: Watch | None = None) -> Iterator[Scheduler]:
    owner = Scheduler(queue_forwards=queue_forwards, watch=watch)
    try:
        yield owner
    finally:
        owner.close(LONGEST_S)


def submit(
    owner: Scheduler,
    recorder: Recorder,
    name: str,
    count: int,
    weight: Weight = Weight.EXPLAIN,
    **kwargs: Any,
):
    return owner.submit(lambda: steps(count), recorder.runner(name), weight=weight, forwards=count, **kwargs)


def in_time(owner: Scheduler, recorder: Recorder, plan: Callable[[], Plan[Any]]) -> "Future[Any]":
    """Submit a plan with a deadline that comes when it has begun, and wait until it has passed."""
    for soon_s in SOON_S:
        before = len(recorder.ran)
        future = owner.submit(
            plan, recorder.runner("m"), weight=Weight.EXPLAIN, forwards=1, until=moment(soon_s)
        )
        future.exception(LONGEST_S)
        if len(recorder.ran) > before:
            return future
    raise AssertionError(f"nothing was begun within {SOON_S} s")


def test_a_plan_gets_its_answers_and_its_result_comes_back():
    class Doubler(Stub):
        def run(self, batch: MicroBatch) -> dict[str, Any]:
            return {"twice": 2 * batch.size}

    def plan() -> Plan[list[int]]:
        first = yield MicroBatch(IMAGE, 3)
        second = yield MicroBatch(IMAGE, 5)
        return [first["twice"], second["twice"]]

    with scheduler() as owner:
        assert owner.submit(plan, Doubler(), weight=Weight.EXPLAIN, forwards=8).result(LONGEST_S) == [6, 10]


def test_explanations_take_turns():
    """Eight at once all progress: between two steps of one, every other one has had its step."""
    recorder = Recorder()
    recorder.gate.clear()
    with scheduler() as owner:
        futures = [submit(owner, recorder, str(task), 5) for task in range(8)]
        recorder.gate.set()
        assert [future.result(LONGEST_S) for future in futures] == [5] * 8
    first, *rest = [recorder.ran[start : start + 8] for start in range(0, 40, 8)]
    assert sorted(first) == [str(task) for task in range(8)]
    assert all(turn == first for turn in rest)


def test_a_prediction_waits_for_one_micro_batch_at_most():
    recorder = Recorder()
    recorder.gate.clear()
    with scheduler() as owner:
        long = submit(owner, recorder, "explain", 50)
        assert recorder.busy.wait(LONGEST_S)
        prediction = submit(owner, recorder, "predict", 1, Weight.PREDICT)
        recorder.gate.set()
        assert prediction.result(LONGEST_S) == 1
        assert long.result(LONGEST_S) == 50
    assert recorder.ran.index("predict") == 1


def test_a_flood_of_predictions_does_not_starve_an_explanation(monkeypatch: pytest.MonkeyPatch):
    """There is always a prediction waiting, and yet one pass in eleven is the explanation's, as 10 is to 100.

    All passes take as long, by a clock that nothing else moves: a thread that is set aside in the midst of one pays
    for the pause, as it should, with turns.
    """
    recorder = Recorder()
    clock = SimpleNamespace(perf_counter=lambda: 0.01 * len(recorder.ran), monotonic=time.monotonic)
    monkeypatch.setattr(module, "time", clock)
    recorder.gate.clear()
    with scheduler(100_000) as owner:
        futures = [submit(owner, recorder, "predict", 1, Weight.PREDICT) for _ in range(5000)]
        futures.append(submit(owner, recorder, "explain", 20))
        recorder.gate.set()
        for future in futures:
            future.result(LONGEST_S)
    last = len(recorder.ran) - 1 - recorder.ran[::-1].index("explain")
    assert last <= 20 * 11


def test_a_plan_that_fails_fails_alone():
    recorder = Recorder()

    def poisoned() -> Plan[int]:
        yield MicroBatch(IMAGE, 1)
        raise ZeroDivisionError("poison")

    with scheduler() as owner:
        bad = owner.submit(poisoned, recorder.runner("bad"), weight=Weight.EXPLAIN, forwards=1)
        with pytest.raises(ZeroDivisionError, match="poison"):
            bad.result(LONGEST_S)
        assert submit(owner, recorder, "good", 3).result(LONGEST_S) == 3
        assert owner.queued_forwards == 0


def test_a_cancelled_request_stops_before_its_next_micro_batch_and_is_closed():
    recorder = Recorder()
    recorder.gate.clear()
    closed = threading.Event()

    def endless() -> Plan[None]:
        try:
            while True:
                yield MicroBatch(IMAGE, 1)
        finally:
            closed.set()

    with scheduler() as owner:
        future = owner.submit(endless, recorder.runner("endless"), weight=Weight.EXPLAIN, forwards=1)
        assert recorder.busy.wait(LONGEST_S)
        assert future.cancel()
        recorder.gate.set()
        assert closed.wait(LONGEST_S)
        assert submit(owner, recorder, "next", 1).result(LONGEST_S) == 1


def test_a_deadline_gives_an_anytime_plan_the_chance_to_answer():
    recorder = Recorder()

    def anytime() -> Plan[int]:
        done = 0
        try:
            while True:
                yield MicroBatch(IMAGE, 1)
                done += 1
        except DeadlineReached:
            return done

    with scheduler() as owner:
        future = in_time(owner, recorder, anytime)
        assert 0 < future.result() <= len(recorder.ran)


@pytest.mark.parametrize(("least", "ran"), [(1, [1]), (4, [1, 5])])
def test_no_micro_batch_begins_that_would_end_past_the_deadline_once_there_is_an_answer(
    least: int, ran: list[int]
):
    """A pass takes 1,000 s by what was measured, and 4,500 are left: five fit only if nothing could be said without."""
    begun: list[int] = []

    class Measured(Stub):
        pass_seconds = 1000.0

        def run(self, batch: MicroBatch) -> dict[str, Any]:
            begun.append(batch.size)
            return {}

    def anytime() -> Plan[list[int]]:
        try:
            for size in (1, 5, 5):
                yield MicroBatch(IMAGE, size)
        except DeadlineReached:
            return begun[:]
        return []

    watch = Notes()
    with scheduler(watch=watch) as owner:
        future = owner.submit(
            anytime,
            Measured(),
            weight=Weight.EXPLAIN,
            forwards=11,
            least_forwards=least,
            until=moment(4500.0),
        )
        assert future.result(LONGEST_S) == ran
    assert watch.told["reached"] == [("explain", Deadline.ANSWERED)]


@pytest.mark.parametrize(("seconds", "is_noted"), [(1500.0, True), (1e6, False)])
def test_how_long_an_answer_took_to_make_is_noted_of_those_that_a_deadline_asked_for(
    seconds: float, *, is_noted: bool
):
    """The next one begins that much earlier; a plan that ends by itself says nothing of that."""

    class Measured(Stub):
        pass_seconds = 1000.0

        def run(self, _batch: MicroBatch) -> dict[str, Any]:
            return {}

    def anytime() -> Plan[None]:
        try:
            for size in (1, 2):
                yield MicroBatch(IMAGE, size)
        except DeadlineReached:
            return

    runner = Measured()
    with scheduler() as owner:
        owner.submit(
            anytime,
            runner,
            weight=Weight.EXPLAIN,
            forwards=3,
            least_forwards=1,
            until=moment(seconds),
        ).result(LONGEST_S)
        assert (owner._rates.answer_seconds(runner) > 0) is is_noted


def test_a_deadline_fails_any_other_plan_with_the_way_out():
    with scheduler() as owner:
        future = in_time(owner, Recorder(), endless)
        with pytest.raises(BudgetError, match="Raise deadline_ms"):
            future.result()


def test_a_deadline_that_passes_in_the_queue_is_the_service_s_fault():
    recorder = Recorder()
    recorder.gate.clear()
    with scheduler() as owner:
        first = submit(owner, recorder, "first", 1)
        assert recorder.busy.wait(LONGEST_S)
        late = submit(owner, recorder, "late", 1, until=moment(0.0))
        recorder.gate.set()
        assert first.result(LONGEST_S) == 1
        with pytest.raises(OverloadedError, match="waited for the device"):
            late.result(LONGEST_S)
    assert recorder.ran == ["first"]


def test_a_full_queue_refuses_at_once_and_says_when_to_retry():
    recorder = Recorder()
    recorder.gate.clear()
    with scheduler(queue_forwards=10) as owner:
        running = submit(owner, recorder, "running", 8)
        with pytest.raises(
            OverloadedError, match="8 forward passes are queued and this request needs 3"
        ) as refused:
            submit(owner, recorder, "refused", 3)
        assert refused.value.retry_after_s >= 1
        fits = submit(owner, recorder, "fits", 2)
        recorder.gate.set()
        assert running.result(LONGEST_S) + fits.result(LONGEST_S) == 10


def test_an_idle_device_takes_a_request_larger_than_its_queue():
    recorder = Recorder()
    with scheduler(queue_forwards=2) as owner:
        assert submit(owner, recorder, "large", 20).result(LONGEST_S) == 20


def test_closing_finishes_what_was_accepted_and_refuses_the_rest():
    recorder = Recorder()
    recorder.gate.clear()
    owner = Scheduler(queue_forwards=100)
    accepted = submit(owner, recorder, "accepted", 4)
    closer = threading.Thread(target=owner.close)
    closer.start()
    recorder.gate.set()
    closer.join(LONGEST_S)
    assert accepted.result(0) == 4
    with pytest.raises(DrainingError):
        submit(owner, recorder, "refused", 1)


def test_a_cancelled_request_no_longer_counts_nor_holds_its_picture():
    """Dropped when its caller goes away, not at its next turn; what it leaves makes room for others."""
    recorder = Recorder()
    recorder.gate.clear()
    closed = threading.Event()

    def waiting() -> Plan[None]:
        try:
            yield MicroBatch(IMAGE, 1)
            yield MicroBatch(IMAGE, 1)
        finally:
            closed.set()

    with scheduler(queue_forwards=10) as owner:
        running = submit(owner, recorder, "running", 2)
        assert recorder.busy.wait(LONGEST_S)
        gone = submit(owner, recorder, "gone", 8)
        with pytest.raises(OverloadedError):
            submit(owner, recorder, "refused", 1)
        assert gone.cancel()
        assert owner.queued_forwards == 2
        begun = owner.submit(waiting, recorder.runner("begun"), weight=Weight.EXPLAIN, forwards=2)
        recorder.gate.set()
        assert running.result(LONGEST_S) == 2
        begun.exception(LONGEST_S)
        assert submit(owner, recorder, "fits", 8).result(LONGEST_S) == 8
    assert closed.is_set()
    assert "gone" not in recorder.ran


def test_a_request_that_is_cancelled_on_the_device_gets_no_second_micro_batch():
    recorder, watch = Recorder(), Notes()
    recorder.gate.clear()
    with scheduler(watch=watch) as owner:
        future = submit(owner, recorder, "gone", 100)
        assert recorder.busy.wait(LONGEST_S)
        assert future.cancel()
        recorder.gate.set()
        assert submit(owner, recorder, "next", 1).result(LONGEST_S) == 1
        assert owner.queued_forwards == 0
    assert recorder.ran == ["gone", "next"]
    assert watch.told["cancelled"] == [("explain", 1)]


def test_a_runner_that_fails_closes_the_plan_and_fails_alone():
    """Also when it was the plan's first micro-batch; the next request finds the device as ever."""
    recorder, closed = Recorder(), threading.Event()

    class Broken(Stub):
        def run(self, _batch: MicroBatch) -> dict[str, Any]:
            raise FloatingPointError("broken")

    def careful() -> Plan[None]:
        try:
            yield MicroBatch(IMAGE, 1)
        finally:
            closed.set()

    with scheduler() as owner:
        bad = owner.submit(careful, Broken(), weight=Weight.EXPLAIN, forwards=1)
        with pytest.raises(FloatingPointError):
            bad.result(LONGEST_S)
        assert submit(owner, recorder, "good", 3).result(LONGEST_S) == 3
        assert closed.is_set()


def test_a_plan_that_fails_when_it_is_closed_leaves_the_device_to_others():
    """The thread that owns the device is the only one: without it every later request would wait for ever."""
    recorder = Recorder()
    recorder.gate.clear()

    def stubborn() -> Plan[None]:
        try:
            while True:
                yield MicroBatch(IMAGE, 1)
        finally:
            raise FloatingPointError("not even that")

    with scheduler() as owner:
        gone = owner.submit(stubborn, recorder.runner("gone"), weight=Weight.EXPLAIN, forwards=9)
        assert recorder.busy.wait(LONGEST_S)
        assert gone.cancel()
        recorder.gate.set()
        assert submit(owner, recorder, "next", 2).result(LONGEST_S) == 2


def test_a_plan_that_cannot_even_be_made_fails_alone():
    recorder = Recorder()

    def broken() -> Plan[None]:
        raise LookupError("no such thing")

    with scheduler() as owner:
        bad = owner.submit(broken, recorder.runner("bad"), weight=Weight.PREDICT, forwards=1)
        with pytest.raises(LookupError):
            bad.result(LONGEST_S)
        assert submit(owner, recorder, "good", 3).result(LONGEST_S) == 3


class Small(Stub):
    """A device on which micro-batches of more than *room* do not fit."""

    def __init__(self, micro_batch: int, room: int, *, stubborn: bool = False) -> None:
        self.micro_batch, self.room, self.stubborn = micro_batch, room, stubborn
        self.tried: list[int] = []

    def run(self, batch: MicroBatch) -> dict[str, Any]:
        self.tried.append(batch.size)
        if batch.size > self.room:
            raise DeviceFullError("Failed to allocate memory for requested buffer of size 160")
        return {}

    def shrink(self, batch: MicroBatch) -> bool:
        if not self.stubborn:
            self.micro_batch = batch.size // 2
        return self.micro_batch >= 1

    def plan(self) -> Plan[int]:
        done = 0
        while done < 16:
            yield MicroBatch(IMAGE, 1)
            size = min(self.micro_batch, 16 - done)
            yield MicroBatch(IMAGE, size)
            done += size
        return done


def test_a_full_device_halves_the_micro_batch_and_begins_the_plan_again():
    """Twice, from eight to two; what had been run by then is run again, and nothing is answered twice."""
    runner = Small(8, room=2)
    with scheduler() as owner:
        assert owner.submit(runner.plan, runner, weight=Weight.EXPLAIN, forwards=16).result(LONGEST_S) == 16
        assert owner.queued_forwards == 0
    assert runner.tried == [1, 8, 1, 4, *([1, 2] * 8)]


def test_a_device_without_room_for_one_pass_refuses_and_serves_on():
    recorder = Recorder()
    with scheduler() as owner:
        for runner in (Small(4, room=0), Small(4, room=0, stubborn=True)):
            full = owner.submit(runner.plan, runner, weight=Weight.EXPLAIN, forwards=16)
            with pytest.raises(OverloadedError, match="not enough free memory"):
                full.result(LONGEST_S)
        assert submit(owner, recorder, "good", 3).result(LONGEST_S) == 3


def test_closing_under_load_answers_all_that_was_accepted_and_runs_nothing_for_those_who_left():
    recorder = Recorder()
    recorder.gate.clear()
    owner = Scheduler(queue_forwards=1000)
    accepted = [
        submit(owner, recorder, weight.kind, 5, weight)
        for weight in (*Weight, *reversed(Weight))
        for _ in range(3)
    ]
    left = submit(owner, recorder, "left", 5)
    closer = threading.Thread(target=owner.close)
    closer.start()
    assert left.cancel()
    recorder.gate.set()
    closer.join(LONGEST_S)
    assert [future.result(0) for future in accepted] == [5] * 18
    assert "left" not in recorder.ran
    assert owner.queued_forwards == 0


def test_nothing_of_a_finished_request_stays_in_memory():
    """A picture and thousands of masks would wait for the next request with the device."""

    class Picture:
        pass

    picture: Picture | None = Picture()
    gone = weakref.ref(picture)

    def plan(held: Picture) -> Plan[int]:
        yield MicroBatch(IMAGE, 1)
        return id(held)

    recorder = Recorder()
    with scheduler() as owner:
        future = owner.submit(
            partial(plan, picture), recorder.runner("one"), weight=Weight.PREDICT, forwards=1
        )
        assert future.result(LONGEST_S)
        del picture, future
        assert submit(owner, recorder, "next", 1).result(LONGEST_S) == 1
        gc.collect()
        assert gone() is None


class Notes(Unwatched):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: dict[str, list[Any]] = defaultdict(list)

    def queued(self, forwards: float) -> None:
        self.told["queued"].append(forwards)

    def waited(self, kind: str, seconds: float) -> None:
        self.told["waited"].append((kind, seconds))

    def ran(self, model: str, batch: MicroBatch) -> None:
        self.told["ran"].append((model, batch.size))

    def preempted(self, kind: str) -> None:
        self.told["preempted"].append(kind)

    def reached(self, kind: str, outcome: Deadline) -> None:
        self.told["reached"].append((kind, outcome))

    def cancelled(self, kind: str, forwards: float) -> None:
        self.told["cancelled"].append((kind, forwards))


def test_who_watches_is_told_what_happened():
    """One explanation of three passes, and a prediction that overtakes it after its first."""
    recorder, watch = Recorder(), Notes()
    recorder.gate.clear()
    with scheduler(watch=watch) as owner:
        explained = submit(owner, recorder, "m", 3)
        assert recorder.busy.wait(LONGEST_S)
        predicted = submit(owner, recorder, "m", 1, Weight.PREDICT)
        recorder.gate.set()
        assert explained.result(LONGEST_S) + predicted.result(LONGEST_S) == 4
    assert watch.told["ran"] == [("m", 1)] * 4
    assert watch.told["preempted"] == ["explain"]
    assert [kind for kind, _ in watch.told["waited"]] == ["explain", "predict"]
    assert all(seconds >= 0 for _, seconds in watch.told["waited"])
    assert watch.told["queued"][:2] == [3, 4]
    assert watch.told["queued"][-1] == 0
    assert max(watch.told["queued"]) == 4


def test_a_missed_deadline_is_told_with_its_outcome():
    recorder, watch = Recorder(), Notes()

    def anytime() -> Plan[int]:
        try:
            while True:
                yield MicroBatch(IMAGE, 1)
        except DeadlineReached:
            return 1

    class Slow(Stub):
        pass_seconds = 10.0

    with scheduler(watch=watch) as owner:
        assert in_time(owner, recorder, anytime).result() == 1
        assert isinstance(in_time(owner, recorder, endless).exception(), BudgetError)
        with pytest.raises(BudgetError, match=r"about 20000 ms on an idle device; deadline_ms leaves \d+"):
            owner.submit(
                endless, Slow(), weight=Weight.EVALUATE, forwards=9, least_forwards=2, until=moment(1.0)
            )
    assert set(watch.told["reached"]) == {
        ("explain", Deadline.ANSWERED),
        ("explain", Deadline.FAILED),
        ("evaluate", Deadline.REFUSED),
    }
