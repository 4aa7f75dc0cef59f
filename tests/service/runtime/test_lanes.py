"""Who is next."""

import time

import pytest

from service.runtime.lanes import Lanes, Task, Weight
from service.runtime.plan import DeadlineReached, MicroBatch, Plan
from service.runtime.rates import Rates


class Model:
    name = "model"
    pass_seconds = 0.0


def nothing() -> Plan[None]:
    yield MicroBatch(None, 1)  # type: ignore[arg-type]  # never run


def task(weight: Weight, *, until: float | None = None) -> Task:
    return Task(nothing, Model(), weight, 1000, until)  # type: ignore[arg-type]  # is never asked anything


def test_the_device_is_shared_by_weight():
    """Over 1,150 equal turns: 100 : 10 : 5, to one turn."""
    lanes = Lanes()
    tasks = {weight: task(weight) for weight in Weight}
    for one in tasks.values():
        lanes.add(one)
    turns = dict.fromkeys(Weight, 0)
    for _ in range(1150):
        chosen = lanes.next()
        turns[chosen.weight] += 1
        lanes.charge(chosen, 0.01, 0)
    assert turns == pytest.approx({Weight.PREDICT: 1000, Weight.EXPLAIN: 100, Weight.EVALUATE: 50}, abs=1)


def test_who_comes_late_is_not_owed_the_past():
    """After an hour of explanations an evaluation gets its third of the turns, not all of them."""
    lanes = Lanes()
    explain, evaluate = task(Weight.EXPLAIN), task(Weight.EVALUATE)
    lanes.add(explain)
    for _ in range(100):
        lanes.charge(lanes.next(), 36.0, 0)
    lanes.add(evaluate)
    turns = []
    for _ in range(30):
        turns.append(lanes.next())
        lanes.charge(turns[-1], 36.0, 0)
    assert turns.count(evaluate) == pytest.approx(10, abs=1)


def test_whose_time_is_up_goes_first_whatever_the_weights():
    """Four explanations at once: none waits for the turns of the others to answer at its deadline."""
    lanes = Lanes()
    for _ in range(3):
        lanes.add(task(Weight.PREDICT))
    late = task(Weight.EVALUATE, until=time.monotonic())
    later = task(Weight.EXPLAIN, until=time.monotonic() + 1000)
    lanes.add(late)
    lanes.add(later)
    lanes.charge(late, 1000.0, 1)
    assert lanes.next() is late
    lanes.remove(late)
    assert lanes.next().weight is Weight.PREDICT


@pytest.mark.parametrize(
    ("spent", "turn_s", "goes_first"), [(10, 2000.0, True), (9, 2000.0, False), (10, 900.0, False)]
)
def test_who_can_answer_does_not_wait_for_a_turn_that_ends_past_its_deadline(
    spent: int, turn_s: float, *, goes_first: bool
):
    """1,000 s are left; only a turn that takes longer would make it late, and nine passes are not yet an answer."""
    lanes = Lanes()
    other, hurried = task(Weight.PREDICT), task(Weight.EVALUATE, until=time.monotonic() + 1000)
    hurried.least_forwards = 10
    lanes.add(other)
    lanes.add(hurried)
    lanes.charge(hurried, 0.0, spent)
    lanes.charge(other, turn_s, 1)
    lanes.next()
    assert hurried.is_pressed is goes_first


def test_answers_that_are_due_together_begin_early_enough_for_the_last():
    """Each takes 100 s to make, and so does the turn that is due: four that are due in 450 s begin now, in order."""
    rates, lanes = Rates(), Lanes()
    rates.observe_answer(Model(), 1.0)  # of another model
    hurried = [task(Weight.EXPLAIN, until=time.monotonic() + 450 + number) for number in range(4)]
    for one in hurried:
        one.rates, one.least_forwards = rates, 1
        rates.observe_answer(one.runner, 100.0)
        lanes.add(one)
        lanes.charge(one, 0.0, 1)
    other = task(Weight.PREDICT)
    lanes.add(other)
    lanes.charge(other, 40.0, 1)
    lanes.next()
    assert not any(one.is_pressed for one in hurried)
    lanes.charge(other, 100.0, 1)
    assert lanes.next() is hurried[0]
    lanes.remove(hurried[0])
    lanes.next()
    assert [one.is_pressed for one in hurried] == [True, False, False, False]


def test_whoever_must_answer_stops_at_its_next_micro_batch_although_its_own_time_is_not_up():
    """It makes room for the answers after it; without that it would be asked turn after turn, and go on."""

    class Priced(Model):
        def cost(self, batch: MicroBatch) -> float:
            return batch.size

    def anytime() -> Plan[str]:
        try:
            while True:
                yield MicroBatch(None, 1)  # type: ignore[arg-type]  # never run
        except DeadlineReached as stop:
            return stop.reason

    hurried = Task(anytime, Priced(), Weight.EXPLAIN, 1000, time.monotonic() + 1000)  # type: ignore[arg-type]
    plan = hurried.begin()
    next(plan)
    plan.send({})
    hurried.is_pressed = True
    with pytest.raises(StopIteration) as end:
        plan.send({})
    assert (end.value.value, hurried.is_stopped) == ("deadline", True)


def test_a_long_turn_is_reckoned_with_though_shorter_ones_follow():
    """Whose turn is next may be as long again: 2,000 s count as 1,800 after one of a second, and 1,000 are left."""
    lanes = Lanes()
    other, hurried = task(Weight.PREDICT), task(Weight.EVALUATE, until=time.monotonic() + 1000)
    hurried.least_forwards = 1
    lanes.add(other)
    lanes.add(hurried)
    lanes.charge(other, 2000.0, 1)
    lanes.charge(hurried, 1.0, 1)
    lanes.next()
    assert hurried.is_pressed


def test_a_plan_that_begins_anew_has_nothing_to_answer_with():
    """What the first one spent is lost; it would be stopped before it had a single answer."""
    lanes, hurried = Lanes(), task(Weight.EXPLAIN, until=time.monotonic() + 1000)
    hurried.least_forwards = 10
    lanes.add(hurried)
    lanes.charge(hurried, 1.0, 10)
    assert hurried.can_answer
    hurried.restart()
    assert not hurried.can_answer
    assert hurried.spent == 10


def test_a_turn_out_of_order_does_not_hold_up_those_who_come_next():
    """The overdue task's lane may be far ahead; a newcomer starts where the others are."""
    lanes = Lanes()
    explain, late = task(Weight.EXPLAIN), task(Weight.EVALUATE, until=time.monotonic())
    lanes.add(explain)
    lanes.add(late)
    lanes.charge(late, 1e6, 0)
    assert lanes.next() is late
    lanes.remove(late)
    lanes.charge(lanes.next(), 0.01, 0)
    lanes.add(predict := task(Weight.PREDICT))
    assert lanes.next() is predict
    lanes.charge(predict, 0.2, 0)
    assert lanes.next() is explain


def test_the_queue_is_what_is_left_of_all():
    lanes = Lanes()
    one, other = task(Weight.EXPLAIN), task(Weight.PREDICT)
    lanes.add(one)
    lanes.add(other)
    lanes.charge(one, 0.1, 30)
    assert (lanes.queued_forwards(), one.spent, len(lanes)) == (1970, 30, 2)
    lanes.charge(one, 0.1, 5000)
    assert lanes.queued_forwards() == 1000
    assert lanes.queued_forwards(ahead_of=Weight.PREDICT) == 1000
    lanes.expect_no_more(other)
    assert lanes.queued_forwards() == 0
    lanes.remove(other)
    lanes.remove(one)
    assert (lanes.queued_forwards(), len(lanes)) == (0, 0)
