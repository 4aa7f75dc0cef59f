"""The scheduler's watch that counts for Prometheus."""

from service import monitoring
from service.runtime.plan import MicroBatch
from service.runtime.watch import Deadline


class DeviceWatch:
    """Brings what happens on the device into the collectors.

    Every worker process has one, and sets its own gauge when its queue changes: the sum over the workers is right
    whichever of them is asked.
    """

    def queued(self, forwards: float) -> None:
        """Show the length of the queue."""
        monitoring.QUEUED_FORWARDS.set(forwards)

    def waited(self, kind: str, seconds: float) -> None:
        """Count a wait."""
        monitoring.QUEUE_SECONDS.labels(kind).observe(seconds)

    def ran(self, model: str, batch: MicroBatch) -> None:
        """Count a micro-batch and its passes."""
        monitoring.MICRO_BATCH.labels(model, batch.direction).observe(batch.size)

    def preempted(self, kind: str) -> None:
        """Count a turn that was lost."""
        monitoring.PREEMPTIONS.labels(kind).inc()

    def reached(self, kind: str, outcome: Deadline) -> None:
        """Count a deadline that was not met."""
        monitoring.DEADLINES.labels(kind, outcome).inc()

    def cancelled(self, kind: str, forwards: float) -> None:
        """Count a request that was dropped, and the passes that it cost in vain."""
        monitoring.CANCELLATIONS.labels(kind).inc()
        monitoring.CANCELLED_FORWARDS.labels(kind).inc(forwards)
