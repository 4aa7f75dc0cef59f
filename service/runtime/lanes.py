"""Which of many plans gets the device next.

Fairness between the kinds of request is stride scheduling (Waldspurger and Weihl 1995,
section 2): a lane's virtual time advances by ``seconds used / weight``, and the lane that
is furthest behind goes next. A lane that was empty starts at the present, so it is
neither owed its idle past nor made to wait for it. Within a lane tasks take turns.

Whose deadline is past goes before all of them: it gets no more of the device, only the chance to
answer with what it has, and must not wait for that while others have their turns.
"""

import heapq
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count
from typing import Any

from service.runtime.drive import Runner
from service.runtime.journey import Journey
from service.runtime.limits import within
from service.runtime.plan import Answer, Plan

Ran = Callable[[int, float], object]
"""Told, on the thread that owns the device, of a micro-batch that was run: its passes, and what they cost in forward
passes."""


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
    """

    start: Callable[[], Plan[Any]]
    runner: Runner
    weight: Weight
    forwards: float
    until: float | None = None
    ran: Ran = lambda *_: None
    journey: Journey = field(default_factory=Journey)
    future: "Future[Any]" = field(default_factory=Future)
    accepted: float = field(default_factory=time.monotonic)
    plan: Plan[Any] | None = None
    answer: Answer | None = None
    """What the plan is waiting for; None before its first micro-batch."""
    forwards_left: float = field(init=False)
    number: int = -1
    spent: float = 0.0
    restarts: int = 0

    def __post_init__(self) -> None:
        self.forwards_left = self.forwards

    def begin(self) -> Plan[Any]:
        """Make the plan."""
        self.plan = within(self.start(), until=self.until)
        return self.plan

    def restart(self) -> None:
        """Begin anew, with smaller micro-batches, at the next turn."""
        self.close()
        self.plan = self.answer = None
        self.restarts += 1
        self.journey.restarts += 1

    def close(self) -> None:
        """Let go of what the plan holds."""
        if self.plan is not None:
            self.plan.close()

    def is_overdue(self) -> bool:
        """Say whether its time is up."""
        return self.until is not None and time.monotonic() >= self.until


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
            heapq.heappush(self._deadlines, (task.until, task.number))

    def remove(self, task: Task) -> None:
        """Take a task out."""
        self.expect_no_more(task)
        lane = self._lanes[task.weight]
        lane.tasks.remove(task)
        if not lane.tasks:
            lane.forwards = 0.0  # what rounding left
        del self._tasks[task.number]
        while self._deadlines and self._deadlines[0][1] not in self._tasks:
            heapq.heappop(self._deadlines)

    def next(self) -> Task:
        """Choose whose turn it is; there must be a task."""
        if self._deadlines and time.monotonic() >= self._deadlines[0][0]:
            return self._tasks[self._deadlines[0][1]]
        lane = min((lane for lane in self._lanes.values() if lane.tasks), key=lambda lane: lane.virtual_time)
        self._virtual_time = lane.virtual_time
        return lane.tasks[0]

    def charge(self, task: Task, seconds: float, forwards: float) -> None:
        """End a task's turn, which took so long and was worth so many passes."""
        lane = self._lanes[task.weight]
        paid = min(forwards, task.forwards_left)
        task.forwards_left -= paid
        lane.forwards -= paid
        task.spent += forwards
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
