"""Count what a plan spends, that which it has nothing to show for included."""

from dataclasses import dataclass
from typing import TypeVar

from service.runtime.plan import DeadlineReached, MicroBatch, Plan

T = TypeVar("T")


@dataclass(slots=True)
class Spent:
    """Forward passes that were answered so far."""

    forwards: int = 0


def counted(plan: Plan[T], spent: Spent) -> Plan[T]:
    """Pass on the micro-batches of *plan*, and count those that are answered.

    A plan that :class:`DeadlineReached` ends returns nothing, and so cannot tell what it cost.

    Args:
        plan: Not yet started.
        spent: Is added to.

    Raises:
        DeadlineReached: The plan has nothing to answer with.

    Examples:
        >>> def twice() -> Plan[None]:
        ...     yield MicroBatch(None, size=4)
        ...     yield MicroBatch(None, size=8)
        >>> spent = Spent()
        >>> plan = counted(twice(), spent)
        >>> next(plan).size, plan.send({}).size
        (4, 8)
        >>> plan.throw(DeadlineReached())
        Traceback (most recent call last):
        service.runtime.plan.DeadlineReached
        >>> spent.forwards
        4
    """
    try:
        batch: MicroBatch = next(plan)
        while True:
            try:
                answer = yield batch
            except DeadlineReached as signal:
                batch = plan.throw(signal)
            else:
                spent.forwards += batch.size
                batch = plan.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        plan.close()
