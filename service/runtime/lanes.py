"""Which of many plans gets the device next.

Fairness between the kinds of request is stride scheduling (Waldspurger and Weihl 1995,
section 2): a lane's virtual time advances by ``seconds used / weight``, and the lane that
is furthest behind goes next. A lane that was empty starts at the present, so it is
neither owed its idle past nor made to wait for it. Within a lane tasks take turns.

Whose deadline is past goes before all of them: it gets no more of the device, only the chance to
answer with what it has, and must not wait for that while others have their turns. Who can answer already
does so before that: answers are made one after the other on the thread that owns the device, so the first
begins early enough that, after one more turn, the last would still be in time.
"""

import math
import time
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count, islice
from typing import Any

from service.runtime.drive import Runner
from service.runtime.journey import Journey
from service.runtime.limits import within
from service.runtime.plan import Answer, MicroBatch, Plan
from service.runtime.rates import FADING, Rates

Ran = Callable[[int, float], object]
"""Told, on the thread that owns the device, of a micro-batch that was run: its passes, and what they cost in forward
passes."""

_LOOK_AHEAD = 64
"""Deadlines that are looked at before every turn; so many within the time of one turn could not be kept anyway."""


class Weight(IntEnum):
    """The share of the device that a kind of request gets when all kinds want it."""

    PREDICT = 100
    EXPLAIN = 10
    EVALUATE = 5

    @property
    def kind(self) -> str:
        """As an operator reads it."""
        return self.name.lower()


@dataclass(slots=True, eq=False)
class Task:
    """A request on its way through the device.

    Args:
        start: Makes its plan, anew if the device's memory did not suffice for the micro-batches of the first.
        runner: Answers its micro-batches.
        weight: Its kind.
        forwards: What it is expected to cost.
        until: When its time is up, by :func:`time.monotonic`; None for never.
        ran: Told of each of its micro-batches.
        journey: Keeps what becomes of it.
        least_forwards: The passes after which it has something to answer with, if its time is up; by default all.
        rates: Tell which micro-batch there is no time for.
    """

    start: Callable[[], Plan[Any]]
    runner: Runner
    weight: Weight
    forwards: float
    until: float | None = None
    ran: Ran = lambda *_: None
    journey: Journey = field(default_factory=Journey)
    least_forwards: float = math.inf
    rates: Rates = field(default_factory=Rates)
    future: "Future[Any]" = field(default_factory=Future)
    accepted: float = field(default_factory=time.monotonic)
    plan: Plan[Any] | None = None
    answer: Answer | None = None
    """What the plan is waiting for; None before its first micro-batch."""
    forwards_left: float = field(init=False)
    number: int = -1
    spent: float = 0.0
    """Passes, those of plans that were begun anew included."""
    spent_by_plan: float = 0.0
    is_pressed: bool = False
    """Whether it must answer at its next turn, for the sake of those whose deadlines come next."""
    is_stopped: bool = False
    """Whether its deadline has ended the work."""
    restarts: int = 0

    def __post_init__(self) -> None:
        self.forwards_left = self.forwards

    def begin(self) -> Plan[Any]:
        """Make the plan."""
        self.plan = within(self.start(), is_late=self._is_late)
        return self.plan

    def restart(self) -> None:
        """Begin anew, with smaller micro-batches, at the next turn."""
        self.close()
        self.plan = self.answer = None
        self.spent_by_plan = 0.0
        self.restarts += 1
        self.journey.restarts += 1

    def close(self) -> None:
        """Let go of what the plan holds."""
        if self.plan is not None:
            self.plan.close()

    @property
    def can_answer(self) -> bool:
        """Whether there is something to answer with, should its time be up."""
        return self.spent_by_plan >= self.least_forwards

    @property
    def answer_s(self) -> float:
        """How long it takes to make the answer, by what it took lately."""
        return self.rates.answer_seconds(self.runner)

    def is_overdue(self) -> bool:
        """Say whether its time is up."""
        return self.until is not None and time.monotonic() >= self.until

    def _is_late(self, batch: MicroBatch) -> bool:
        """A late answer is better than none: only what it can do without has to be finished in time."""
        if self.until is not None and not self.is_stopped:
            needed_s = self.rates.seconds(self.runner, self.runner.cost(batch)) + self.answer_s
            end = time.monotonic() + (needed_s if self.can_answer else 0.0)
            self.is_stopped = self.is_pressed or end >= self.until
        return self.is_stopped


@dataclass(slots=True)
class _Lane:
    """The tasks of one kind, in turn, and the passes that they are expected to need yet."""

    tasks: deque[Task] = field(default_factory=deque)
    virtual_time: float = 0.0
    forwards: float = 0.0


class Lanes:
    """All tasks that are not finished. Not safe for threads; the scheduler guards it."""

    def __init__(self) -> None:
        self._lanes = {weight: _Lane() for weight in Weight}
        self._virtual_time = 0.0
        self._turn_s = 0.0
        self._deadlines: list[tuple[float, int]] = []
        self._numbers = count()
        self._tasks: dict[int, Task] = {}

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks.values())

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, task: Task) -> bool:
        return task.number in self._tasks

    def add(self, task: Task) -> None:
        """Append a task to its lane."""
        lane = self._lanes[task.weight]
        if not lane.tasks:
            lane.virtual_time = max(lane.virtual_time, self._virtual_time)
        lane.tasks.append(task)
        task.number = next(self._numbers)
        self._tasks[task.number] = task
        lane.forwards += task.forwards_left
        if task.until is not None:
            insort(self._deadlines, (task.until, task.number))

    def remove(self, task: Task) -> None:
        """Take a task out."""
        self.expect_no_more(task)
        lane = self._lanes[task.weight]
        lane.tasks.remove(task)
        if not lane.tasks:
            lane.forwards = 0.0  # what rounding left
        del self._tasks[task.number]
        if task.until is not None:
            self._deadlines.remove((task.until, task.number))

    def next(self) -> Task:
        """Choose whose turn it is; there must be a task."""
        lane = min((lane for lane in self._lanes.values() if lane.tasks), key=lambda lane: lane.virtual_time)
        if (pressed := self._pressed()) is not None:
            return pressed
        self._virtual_time = lane.virtual_time
        return lane.tasks[0]

    def _pressed(self) -> Task | None:
        """Find who must answer now: its time is up, or that of somebody after it would be after one more turn."""
        now = time.monotonic()
        first, answered = None, now + self._turn_s
        for until, number in islice(self._deadlines, _LOOK_AHEAD):
            task = self._tasks[number]
            if until <= now:
                return task
            if task.can_answer:
                first, answered = first or task, answered + task.answer_s
                if answered >= until:
                    first.is_pressed = True
                    return first
        return None

    def charge(self, task: Task, seconds: float, forwards: float) -> None:
        """End a task's turn, which took so long and was worth so many passes."""
        lane = self._lanes[task.weight]
        paid = min(forwards, task.forwards_left)
        task.forwards_left -= paid
        lane.forwards -= paid
        task.spent += forwards
        task.spent_by_plan += forwards
        self._turn_s = max(seconds, FADING * self._turn_s)
        lane.virtual_time += seconds / task.weight
        if lane.tasks and lane.tasks[0] is task:
            lane.tasks.rotate(-1)

    def expect_no_more(self, task: Task) -> None:
        """Count no longer what a task had before it."""
        self._lanes[task.weight].forwards -= task.forwards_left
        task.forwards_left = 0.0

    def queued_forwards(self, ahead_of: Weight = Weight.EVALUATE) -> float:
        """Count the passes that are expected and not yet run.

        Args:
            ahead_of: Leave out kinds that go after this one; by default none is.
        """
        return sum(lane.forwards for weight, lane in self._lanes.items() if weight >= ahead_of)

    def kinds(self) -> frozenset[Weight]:
        """Which lanes have tasks."""
        return frozenset(weight for weight, lane in self._lanes.items() if lane.tasks)
