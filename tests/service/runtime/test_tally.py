"""Counting towards an end that is only estimated."""

import pytest

from service.runtime.tally import Progress, Tally, Work


class Clock:
    """Moves by hand."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def started(clock: Clock, *, until: float | None = None) -> tuple[Tally, list[Progress]]:
    """A request of one prediction, ten gradients that cost three forward passes each, and twenty for the receipt."""
    told: list[Progress] = []
    stages = {"predict": Work(1, 1), "explain": Work(10, 30), "receipt": Work(20, 20)}
    return Tally(stages, told.append, until=until, clock=clock), told


def test_the_plan_is_told_before_anything_has_run() -> None:
    """A request may wait for the device, and its caller wants to know for how much."""
    _, told = started(Clock())

    assert told == [Progress("waiting", 0, 31, None)]


def test_time_is_reckoned_by_cost_and_not_by_passes() -> None:
    """Two gradients took 3 s, so 6 forward passes' worth: what is left is 24 + 20 of them at 0.5 s each."""
    clock = Clock()
    tally, told = started(clock)
    tally.begin("predict")
    tally.ran(1, 1)
    tally.begin("explain")
    clock.now_s += 3
    tally.ran(2, 6)

    assert told[-1] == Progress("explain", 3, 31, pytest.approx(1e3 * 0.5 * (24 + 20)))


def test_a_method_that_converges_early_brings_the_end_nearer() -> None:
    """The passes that it did not need are planned no longer."""
    tally, told = started(Clock())
    tally.begin("predict")
    tally.ran(1, 1)
    tally.begin("explain")
    tally.ran(4, 12)
    tally.begin("receipt")
    tally.ran(5, 5)

    assert (told[-1].forwards_done, told[-1].forwards_planned) == (10, 25)


def test_more_than_was_planned_is_not_less_than_nothing() -> None:
    """Plans are estimates; a bar must not run backwards or past its end."""
    tally, told = started(Clock())
    tally.begin("receipt")
    tally.ran(25, 25)

    assert told[-1].forwards_done == 25
    assert told[-1].forwards_planned == 25
    assert told[-1].remaining_ms is not None
    assert told[-1].remaining_ms >= 0


def test_nothing_takes_longer_than_the_deadline() -> None:
    """A minute's work with 2 s to go ends in 2 s."""
    clock = Clock()
    tally, told = started(clock, until=clock.now_s + 3)
    tally.begin("explain")
    clock.now_s += 1
    tally.ran(1, 3)
    assert told[-1].remaining_ms == pytest.approx(2000)

    clock.now_s += 60
    tally.ran(1, 3)
    assert told[-1].remaining_ms == 0


def test_stages_that_the_device_has_no_part_in_count_for_nothing() -> None:
    """Such as resizing."""
    tally, told = started(Clock())
    tally.begin("resize")
    tally.begin("predict")
    tally.ran(1, 1)

    assert [progress.stage for progress in told] == ["waiting", "predict"]


def test_a_plan_that_is_begun_anew_is_counted_anew() -> None:
    """As when the device's memory did not suffice for its micro-batches: the first run is worth nothing."""
    tally, told = started(Clock())
    tally.begin("predict")
    tally.ran(1, 1)
    tally.begin("explain")
    tally.ran(4, 12)
    tally.begin("predict")
    tally.ran(1, 1)

    assert (told[-1].stage, told[-1].forwards_done, told[-1].forwards_planned) == ("predict", 1, 31)
