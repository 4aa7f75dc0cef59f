"""What a plan may spend, seen from the plan and from whoever drives it."""

from typing import Any

import pytest

from service.runtime.limits import past, within
from service.runtime.plan import Answer, DeadlineReached, ForwardsSpent, MicroBatch, Plan

IMAGE: Any = None  # nothing here looks at it


class Counter:
    """Answers micro-batches with nothing and counts them."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def run(self, plan: Plan[Any]) -> Any:
        answer: Answer | None = None
        try:
            while True:
                batch = next(plan) if answer is None else plan.send(answer)
                self.sizes.append(batch.size)
                answer = {}
        except StopIteration as end:
            return end.value


def anytime(size: int) -> Plan[str]:
    """Goes on until it is stopped, and says by what."""
    try:
        while True:
            yield MicroBatch(IMAGE, size)
    except DeadlineReached as stop:
        return stop.reason


def fixed(count: int) -> Plan[int]:
    for _ in range(count):
        yield MicroBatch(IMAGE, 1)
    return count


def test_a_micro_batch_that_would_exceed_the_bound_is_not_run():
    counter = Counter()
    assert counter.run(within(anytime(4), forwards=11)) == "max_forwards"
    assert counter.sizes == [4, 4]


def test_a_plan_that_just_fits_is_not_disturbed():
    counter = Counter()
    assert counter.run(within(fixed(7), forwards=7)) == 7
    assert sum(counter.sizes) == 7


def test_a_plan_that_cannot_answer_early_fails_with_the_signal():
    with pytest.raises(ForwardsSpent):
        Counter().run(within(fixed(7), forwards=6))


def test_time_is_looked_at_before_every_micro_batch_and_after_every_answer():
    """The answer that came before the deadline is not lost: the plan had it when it was stopped."""
    now = iter([0.0, 1.0, 2.0, 3.0])
    counter = Counter()
    assert counter.run(within(anytime(1), is_late=past(3.0, clock=lambda: next(now)))) == "deadline"
    assert len(counter.sizes) == 3


def test_the_signal_says_how_many_passes_still_fit():
    """So that a plan can take its last few, and where it ends does not depend on the micro-batch."""

    def to_the_last() -> Plan[int]:
        done = 0
        try:
            while True:
                yield MicroBatch(IMAGE, 4)
                done += 4
        except ForwardsSpent as signal:
            yield MicroBatch(IMAGE, signal.left)
            return done + signal.left

    counter = Counter()
    assert counter.run(within(to_the_last(), forwards=11)) == 11
    assert counter.sizes == [4, 4, 3]


def test_what_follows_in_the_same_plan_is_stopped_too():
    """An explanation that answers early must not be followed by a whole receipt."""

    def two_parts() -> Plan[list[str]]:
        first = yield from anytime(1)
        second = yield from anytime(1)
        return [first, second]

    counter = Counter()
    assert counter.run(within(two_parts(), forwards=5)) == ["max_forwards", "max_forwards"]
    assert len(counter.sizes) == 5


def test_a_signal_from_outside_reaches_the_innermost_plan():
    plan = within(within(anytime(1), forwards=100), forwards=100)
    next(plan)
    with pytest.raises(StopIteration) as end:
        plan.throw(DeadlineReached())
    assert end.value.value == "deadline"


def test_a_plan_that_ignores_every_signal_is_ended():
    def stubborn() -> Plan[None]:
        while True:
            try:
                yield MicroBatch(IMAGE, 1)
            except DeadlineReached:
                continue

    with pytest.raises(ForwardsSpent):
        Counter().run(within(stubborn(), forwards=2))


def test_closing_the_bounded_plan_closes_the_plan():
    closed = []

    def plan() -> Plan[None]:
        try:
            yield MicroBatch(IMAGE, 1)
        finally:
            closed.append(True)

    bounded = within(plan(), forwards=5)
    next(bounded)
    bounded.close()
    assert closed == [True]
