"""Run a plan to its end on the calling thread, without a scheduler."""

from typing import Protocol, TypeVar

from service.runtime.plan import Answer, MicroBatch, Plan

T = TypeVar("T")


class Runner(Protocol):
    """Whatever can answer a micro-batch."""

    @property
    def name(self) -> str:
        """What an operator calls it."""
        ...

    @property
    def pass_seconds(self) -> float:
        """Seconds of a forward pass on an idle device, as measured beforehand; 0 if they were not."""
        ...

    def run(self, batch: MicroBatch) -> Answer:
        """Answer one micro-batch."""
        ...

    def cost(self, batch: MicroBatch) -> float:
        """Say what it costs, in forward passes."""
        ...

    def shrink(self, batch: MicroBatch) -> bool:
        """Halve the micro-batches to come, one having been too large for the device's memory.

        Returns:
            Whether they are smaller than that one now.
        """
        ...


def drive(plan: Plan[T], runner: Runner) -> T:
    """Send *plan* the answers of *runner* until it returns.

    For tests, scripts and warm-up; the service interleaves plans through the scheduler.

    Returns:
        What the plan returns.
    """
    try:
        batch = next(plan)
        while True:
            batch = plan.send(runner.run(batch))
    except StopIteration as end:
        result: T = end.value
        return result
