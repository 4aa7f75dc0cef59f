"""Whether a request can be done in time, and when it could be, from what is queued and the measured pace."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass

from service.errors import BudgetError, OverloadedError
from service.runtime.drive import Runner
from service.runtime.lanes import Lanes, Task, Weight
from service.runtime.rates import Rates


@dataclass(frozen=True, slots=True)
class Order:
    """What a new request asks for.

    Args:
        runner: Its model.
        weight: Its kind.
        forwards: What it is expected to cost.
        least_forwards: The fewest passes that it can answer with.
        deadline_s: Seconds from now; None for none.
    """

    runner: Runner
    weight: Weight
    forwards: float
    least_forwards: float
    deadline_s: float | None


def check_queue(order: Order, lanes: Lanes, rates: Rates, *, most_forwards: int) -> None:
    """Refuse what would make the queue too long: that of its own kind and of those that go first.

    Where nothing waits any request is taken, and a prediction is not refused for explanations that it overtakes.

    Raises:
        OverloadedError: As stated.
    """
    queued = lanes.queued_forwards(ahead_of=order.weight)
    needed = expected_forwards(order, rates)
    excess = queued + needed - most_forwards
    if queued > 0 and excess > 0:
        drain_s = sum(_seconds((task for task in lanes if task.weight >= order.weight), rates))
        raise OverloadedError(
            f"{queued:.0f} forward passes are queued and this request needs {needed:.0f}; at most "
            f"{most_forwards} may queue. Retry later, or ask for fewer.",
            retry_after_s=max(1.0, drain_s * min(1.0, excess / queued)),
        )


def check_deadline(order: Order, lanes: Lanes, rates: Rates) -> None:
    """Refuse what cannot be answered in time, not even with the fewest passes.

    Raises:
        BudgetError: Not even an idle device could.
        OverloadedError: Not behind what is queued; *retry_after_s* is when enough of that will be done.
    """
    if order.deadline_s is None:
        return
    own_s = rates.seconds(order.runner, order.least_forwards)
    if own_s > order.deadline_s:
        raise BudgetError(
            f"The request needs at least {order.least_forwards:.0f} forward passes, which take about "
            f"{1e3 * own_s:.0f} ms on an idle device; deadline_ms leaves {1e3 * order.deadline_s:.0f}. Raise it, or "
            "choose a cheaper method or receipt.",
            where="options.deadline_ms",
        )
    finished_s = finish_seconds(order.weight, own_s, lanes, rates)
    if finished_s > order.deadline_s:
        raise OverloadedError(
            f"Behind the queue this request would be answered in about {1e3 * finished_s:.0f} ms; deadline_ms leaves "
            f"{1e3 * order.deadline_s:.0f}. Retry later, or raise it.",
            retry_after_s=max(1.0, finished_s - order.deadline_s),
            where="options.deadline_ms",
        )


def expected_forwards(order: Order, rates: Rates) -> float:
    """Say what a request will cost: what its deadline gives it no time for does not count.

    Not below the fewest that it needs, and all where no pace is known.
    """
    if order.deadline_s is None:
        return order.forwards
    pass_s = rates.seconds(order.runner, 1)
    if not pass_s:
        return order.forwards
    return min(order.forwards, max(order.least_forwards, order.deadline_s / pass_s))


def finish_seconds(weight: Weight, own_s: float, lanes: Lanes, rates: Rates) -> float:
    """Estimate when a request is finished that needs *own_s* seconds of the device, if no other comes.

    Its lane has a share of the device by its weight, and its tasks take turns: beside a task that needs
    longer, it waits for as much of it as it needs itself. No later, in any case, than all is done.
    """
    kinds = lanes.kinds() | {weight}
    share = weight / sum(kinds)
    beside = _seconds((task for task in lanes if task.weight is weight), rates)
    before_s = sum(min(seconds, own_s) for seconds in beside)
    return min((before_s + own_s) / share, sum(_seconds(lanes, rates)) + own_s)


def _seconds(tasks: Iterable[Task], rates: Rates) -> list[float]:
    """What the tasks still need of the device; none gets more than its deadline leaves."""
    now = time.monotonic()
    return [
        min(
            rates.seconds(task.runner, task.forwards_left),
            math.inf if task.until is None else max(0.0, task.until - now),
        )
        for task in tasks
    ]
