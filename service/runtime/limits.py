"""Bound what a plan may spend; deadline and forward passes end it by the same signal."""

import time
from collections.abc import Callable
from typing import TypeVar

from service.runtime.plan import DeadlineReached, ForwardsSpent, MicroBatch, Plan

T = TypeVar("T")

IsLate = Callable[[MicroBatch], bool]
"""Says of a micro-batch that there is no time for it any more."""

# A plan that answers every signal with one more micro-batch must not hold the device for ever.
_MOST_SIGNALS = 100


def past(until: float | None, clock: Callable[[], float] = time.monotonic) -> IsLate:
    """Any micro-batch is late from *until* on, by *clock*, whose seconds only go forward; None for never.

    Examples:
        >>> past(3.0, clock=lambda: 2.9)(MicroBatch(None, 1)), past(3.0, clock=lambda: 3.0)(MicroBatch(None, 1))
        (False, True)
    """
    return lambda _: until is not None and clock() >= until


_NEVER = past(None)


def within(plan: Plan[T], *, forwards: int | None = None, is_late: IsLate = _NEVER) -> Plan[T]:
    """Pass on the micro-batches of *plan* while they fit.

    A micro-batch that would exceed *forwards* is not run; :class:`ForwardsSpent` is thrown into the plan
    instead, which may answer with what it has. For one that is late it is :class:`DeadlineReached`. Should the
    plan go on all the same, so does the signal.

    Args:
        plan: Not yet started.
        forwards: Most passes; None for no bound.
        is_late: Asked of every micro-batch just before it is run.

    Returns:
        The plan, bounded.

    Raises:
        DeadlineReached: The plan has nothing to answer with.

    Examples:
        >>> def count() -> Plan[int]:
        ...     done = 0
        ...     try:
        ...         while True:
        ...             yield MicroBatch(None, size=4)
        ...             done += 4
        ...     except DeadlineReached as stop:
        ...         return done, stop.reason
        >>> bounded = within(count(), forwards=10)
        >>> batch = next(bounded)
        >>> batch = bounded.send({})
        >>> bounded.send({})
        Traceback (most recent call last):
        StopIteration: (8, 'max_forwards')
    """
    spent, signals = 0, 0
    try:
        batch = next(plan)
        while True:
            stop = _stop(batch, spent, forwards, is_late)
            if stop is None:
                try:
                    answer = yield batch
                except DeadlineReached as signal:
                    stop = signal
                else:
                    spent += batch.size
                    batch = plan.send(answer)
                    continue
            signals += 1
            if signals > _MOST_SIGNALS:
                raise stop
            batch = plan.throw(stop)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        plan.close()


def _stop(batch: MicroBatch, spent: int, forwards: int | None, is_late: IsLate) -> DeadlineReached | None:
    if is_late(batch):
        return DeadlineReached()
    if forwards is not None and spent + batch.size > forwards:
        return ForwardsSpent(forwards - spent)
    return None
