"""How far one request's work has come, counted while it runs."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

WAITING = "waiting"
"""The stage of a request that has not had the device yet."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a stage of a request may take.

    Args:
        forwards: Passes, as answers count them: a gradient is one.
        cost: The same in forward passes, a gradient counted as the several that it lasts.
    """

    forwards: int
    cost: float


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a request is.

    Args:
        stage: The one under way; :data:`WAITING` before the first.
        forwards_done: Passes that have been run.
        forwards_planned: What that will be in the end, at most: methods may converge before.
        remaining_ms: Until then at the pace so far, and no longer than the deadline; None before there is a pace.
    """

    stage: str
    forwards_done: int
    forwards_planned: int
    remaining_ms: float | None


Tell = Callable[[Progress], object]
"""Called on the thread that owns the device, so it must be quick."""


class Tally:
    """Counts the micro-batches of one request.

    Args:
        stages: What is planned, by stage, in order.
        tell: Told at once of what is planned, and then of every micro-batch.
        until: When the deadline ends the work, by *clock*; None for never.
        clock: Seconds that only go forward.

    Examples:
        >>> seconds = iter((0.0, 1.0, 1.0, 5.0))
        >>> stages = {"predict": Work(1, 1), "explain": Work(10, 20)}
        >>> tally = Tally(stages, lambda progress: print(progress.stage, progress.remaining_ms), clock=lambda: next(seconds))
        waiting None
        >>> tally.begin("predict")
        >>> tally.ran(1, 1)
        predict 20000.0
        >>> tally.begin("explain")
        >>> tally.ran(4, 8)
        explain 6000.0
    """

    def __init__(
        self,
        stages: Mapping[str, Work],
        tell: Tell,
        *,
        until: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stages = stages
        self._tell = tell
        self._until = until
        self._clock = clock
        self._spent: dict[str, Work] = {}
        self._begun_s = 0.0
        self._report(None)

    def begin(self, stage: str) -> None:
        """Note that a stage begins: what the last one has not used will not be needed.

        A plan that is begun anew, because the device's memory did not suffice, begins with the first stage again.
        """
        if stage not in self._stages:
            return  # such as the resizing, which the device has no part in
        names = list(self._stages)
        before = names[: names.index(stage)]
        self._spent = {name: work for name, work in self._spent.items() if name in before}
        self._spent[stage] = Work(0, 0)
        self._begun_s = self._clock()

    def ran(self, forwards: int, cost: float) -> None:
        """Note a micro-batch of the stage."""
        stage, work = self._spent.popitem()
        work = self._spent[stage] = Work(work.forwards + forwards, work.cost + cost)
        now_s = self._clock()
        remaining_s = sum(left.cost for left in self._left()) * (now_s - self._begun_s) / work.cost
        if self._until is not None:
            remaining_s = min(remaining_s, max(0.0, self._until - now_s))
        self._report(1e3 * remaining_s)

    def _left(self) -> Iterator[Work]:
        """What this stage and those after it may still take; a plan is an estimate, and may be exceeded."""
        under_way = next(reversed(self._spent), None)
        names = list(self._stages)
        for name in names[names.index(under_way) if under_way else 0 :]:
            planned, spent = self._stages[name], self._spent.get(name, Work(0, 0))
            yield Work(max(0, planned.forwards - spent.forwards), max(0.0, planned.cost - spent.cost))

    def _report(self, remaining_ms: float | None) -> None:
        done = sum(work.forwards for work in self._spent.values())
        to_go = sum(left.forwards for left in self._left())
        self._tell(Progress(next(reversed(self._spent), WAITING), done, done + to_go, remaining_ms))
