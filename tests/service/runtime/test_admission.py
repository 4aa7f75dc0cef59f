"""What is refused at once, by an arithmetic that the scheduler's own order is the judge of."""

import time
from typing import Any

import pytest

from service.errors import BudgetError, OverloadedError
from service.runtime.admission import (
    Order,
    check_deadline,
    check_queue,
    expected_forwards,
    finish_seconds,
)
from service.runtime.lanes import Lanes, Task, Weight
from service.runtime.plan import MicroBatch, Plan
from service.runtime.rates import Rates

PASS_S = 0.01


class Model:
    """Takes ten milliseconds a pass, as measured at start-up."""

    name = "model"
    pass_seconds = PASS_S

    def run(self, _batch: MicroBatch) -> dict[str, Any]:
        raise NotImplementedError

    def cost(self, batch: MicroBatch) -> float:
        return batch.size

    def shrink(self, _batch: MicroBatch) -> bool:
        return False


MODEL = Model()


def nothing() -> Plan[None]:
    yield MicroBatch(None, 1)  # type: ignore[arg-type]  # never run


def queue(*work: tuple[Weight, float], until: float | None = None) -> Lanes:
    lanes = Lanes()
    for weight, forwards in work:
        lanes.add(Task(nothing, MODEL, weight, forwards, until))
    return lanes


def order(
    forwards: float,
    *,
    weight: Weight = Weight.EXPLAIN,
    least: float | None = None,
    deadline_s: float | None = None,
) -> Order:
    return Order(MODEL, weight, forwards, forwards if least is None else least, deadline_s)


def simulated_seconds(weight: Weight, forwards: int, lanes: Lanes) -> float:
    """Add a task and run the lanes, a pass at a time, until it is finished."""
    mine = Task(nothing, MODEL, weight, forwards)
    lanes.add(mine)
    passed = 0.0
    while mine in lanes:
        task = lanes.next()
        lanes.charge(task, PASS_S, 1)
        passed += PASS_S
        if task.forwards_left <= 0:
            lanes.remove(task)
    return passed


LOADS: tuple[tuple[Weight, int, tuple[tuple[Weight, float], ...]], ...] = (
    (Weight.EXPLAIN, 30, ()),
    (Weight.EXPLAIN, 30, ((Weight.EXPLAIN, 4000),)),
    (Weight.EXPLAIN, 300, ((Weight.EXPLAIN, 20), (Weight.EXPLAIN, 50), (Weight.EXPLAIN, 4000))),
    (Weight.EXPLAIN, 100, ((Weight.EVALUATE, 4000), (Weight.EVALUATE, 10))),
    (Weight.EVALUATE, 100, ((Weight.EXPLAIN, 4000), (Weight.EVALUATE, 30))),
    (Weight.EVALUATE, 100, ((Weight.EXPLAIN, 40), (Weight.EVALUATE, 30))),
    (Weight.PREDICT, 1, tuple((Weight.PREDICT, 1.0) for _ in range(50))),
)


@pytest.mark.parametrize(("weight", "forwards", "work"), LOADS)
def test_the_estimate_is_what_the_lanes_then_do(
    weight: Weight, forwards: int, work: tuple[tuple[Weight, float], ...]
):
    """To a turn of each task beside it, and 25 of the lightest lane's, which one pass puts so far behind."""
    estimate = finish_seconds(weight, forwards * PASS_S, queue(*work), Rates())
    real = simulated_seconds(weight, forwards, queue(*work))
    assert estimate == pytest.approx(real, abs=(len(work) + 25) * PASS_S)


def test_no_task_is_waited_for_beyond_its_deadline():
    """Forty seconds of work, of which half a second is left."""
    until = time.monotonic() + 0.5
    found = finish_seconds(Weight.EXPLAIN, 10.0, queue((Weight.EXPLAIN, 4000), until=until), Rates())
    assert 10.0 + max(0.0, until - time.monotonic()) <= found <= 10.5 + 1e-6  # the clock's rounding


def test_what_no_device_could_do_is_the_callers_fault():
    """Retrying cannot help, so there is no Retry-After."""
    with pytest.raises(BudgetError, match="at least 40 forward passes, which take about 400 ms") as refused:
        check_deadline(order(40, deadline_s=0.3), Lanes(), Rates())
    assert refused.value.where == "options.deadline_ms"


def test_what_can_be_cut_short_is_accepted_and_shrinks():
    """4,000 masks take forty seconds; ten of them are an answer."""
    check_deadline(order(4000, least=11, deadline_s=0.3), Lanes(), Rates())


def test_behind_the_queue_the_refusal_says_when_to_return():
    """Ten seconds of predictions and one of our own in a deadline of two: in nine seconds it will do."""
    lanes = queue(*((Weight.EXPLAIN, 100.0),) * 10)
    with pytest.raises(
        OverloadedError, match="answered in about 11000 ms; deadline_ms leaves 2000"
    ) as refused:
        check_deadline(order(100, deadline_s=2.0), lanes, Rates())
    assert refused.value.retry_after_s == pytest.approx(9.0)


def test_a_prediction_is_not_refused_for_the_explanations_that_it_overtakes():
    lanes = queue(*((Weight.EXPLAIN, 4000.0),) * 10)
    check_deadline(order(1, weight=Weight.PREDICT, deadline_s=0.05), lanes, Rates())


def test_a_long_queue_says_when_enough_of_it_will_be_done():
    """900 passes wait, 1,000 may, 300 come: 200 have to go first, two seconds."""
    with pytest.raises(
        OverloadedError, match="900 forward passes are queued and this request needs 300"
    ) as refused:
        check_queue(order(300), queue((Weight.EXPLAIN, 900)), Rates(), most_forwards=1000)
    assert refused.value.retry_after_s == pytest.approx(2.0)


def test_estimates_follow_a_device_that_got_slower():
    """Four hundred passes weigh 1 - 1/e: (1 + 4 (e - 1)) / e of the old pace."""
    rates = Rates()
    for _ in range(100):
        rates.observe(MODEL, 4, 4 * 4 * PASS_S)
    assert rates.seconds(MODEL, 1) == pytest.approx(PASS_S * (1 + 4 * 1.718281828) / 2.718281828)


def test_a_model_that_was_never_measured_refuses_nobody():
    """The first passes of a session are slow; fifty are enough to know."""

    class Unmeasured(Model):
        pass_seconds = 0.0

    rates, model = Rates(), Unmeasured()
    rates.observe(model, 49, 4.9)
    assert rates.seconds(model, 100) == 0
    rates.observe(model, 1, 0.1)
    assert rates.seconds(model, 100) == pytest.approx(10)


def test_a_prediction_is_not_refused_for_a_queue_of_explanations():
    """One of 20,000 masks would close the service to everybody."""
    lanes = queue((Weight.EXPLAIN, 20_000), (Weight.PREDICT, 990))
    check_queue(order(1, weight=Weight.PREDICT), lanes, Rates(), most_forwards=1000)
    with pytest.raises(OverloadedError, match="20990 forward passes are queued"):
        check_queue(order(1, weight=Weight.EVALUATE), lanes, Rates(), most_forwards=1000)
    with pytest.raises(OverloadedError, match="990 forward passes are queued"):
        check_queue(order(11, weight=Weight.PREDICT), lanes, Rates(), most_forwards=1000)


def test_what_a_deadline_leaves_no_time_for_does_not_fill_the_queue():
    """Of 20,000 masks 200 in two seconds, but never fewer than the request needs to answer at all."""
    assert expected_forwards(order(20_000, least=11, deadline_s=2.0), Rates()) == pytest.approx(200)
    assert expected_forwards(order(20_000, least=300, deadline_s=2.0), Rates()) == 300
    assert expected_forwards(order(20, least=11, deadline_s=2.0), Rates()) == 20
    assert expected_forwards(order(20_000), Rates()) == 20_000
