"""One owner per device: runs the micro-batches of many plans, and says at once which it cannot take.

With the weights of :class:`Weight` a prediction waits for the micro-batch that is on the device when
it arrives and, however many predictions there are, explanations keep a tenth of the device.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from service.errors import BudgetError, DrainingError, OverloadedError
from service.runtime.admission import Order, check_deadline, check_queue, expected_forwards
from service.runtime.drive import Runner
from service.runtime.journey import Journey
from service.runtime.lanes import Lanes, Ran, Task, Weight
from service.runtime.memory import DeviceFullError
from service.runtime.plan import DeadlineReached, MicroBatch, Plan
from service.runtime.rates import Rates
from service.runtime.watch import Deadline, Unwatched, Watch

log = logging.getLogger(__name__)

T = TypeVar("T")

End = Callable[[], None]
"""Tells whoever waits for a task that it is finished."""

_MOST_RESTARTS = 8
"""Halvings that bring the largest micro-batch, of 128, down to one."""


class Scheduler:
    """Runs plans on one device, one micro-batch at a time, on one thread.

    Args:
        queue_forwards: Most forward passes that may wait; requests beyond it are refused.
        watch: Is told what happens.
    """

    def __init__(self, *, queue_forwards: int, watch: Watch | None = None) -> None:
        self._queue_forwards = queue_forwards
        self._watch = watch or Unwatched()
        self._lanes, self._rates = Lanes(), Rates()
        self._running: Task | None = None
        self._before: Task | None = None
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._own_device, name="device-owner", daemon=True)
        self._thread.start()

    @property
    def queued_forwards(self) -> float:
        """Forward passes that are accepted, by their plans' estimates, and neither run nor cancelled."""
        with self._changed:
            return self._lanes.queued_forwards()

    def submit(
        self,
        start: Callable[[], Plan[T]],
        runner: Runner,
        *,
        weight: Weight,
        forwards: float,
        least_forwards: float | None = None,
        until: float | None = None,
        ran: Ran = lambda *_: None,
        journey: Journey | None = None,
    ) -> "Future[T]":
        """Accept a plan, or refuse it at once.

        Args:
            start: Makes the plan; called again if the device's memory does not suffice for its micro-batches.
            runner: The model that answers its micro-batches.
            weight: Its share when others want the device too.
            forwards: What it is expected to cost, in forward passes.
            least_forwards: The fewest that it can answer with when its time is up; by default all.
            until: Its deadline, by :func:`time.monotonic`. No micro-batch begins after that, nor one with which the
                answer would come after it once the plan can answer; :class:`DeadlineReached` is thrown into it
                instead.
            ran: Told of each of its micro-batches.
            journey: Keeps what becomes of it.

        Returns:
            A future of the plan's result. Cancelling it drops the plan after the micro-batch under way.

        Raises:
            OverloadedError: The queue is full, or so long that the deadline cannot be met.
            BudgetError: The deadline could not be met on an idle device either.
            DrainingError: The service is shutting down.
        """
        least = forwards if least_forwards is None else min(least_forwards, forwards)
        deadline_s = None if until is None else max(0.0, until - time.monotonic())
        order = Order(runner, weight, forwards, least, deadline_s)
        with self._changed:
            self._admit(order)
            task = Task(
                start,
                runner,
                weight,
                expected_forwards(order, self._rates),
                until,
                ran,
                journey or Journey(),
                least_forwards=least,
                rates=self._rates,
            )
            task.journey.accept()
            self._lanes.add(task)
            self._watch.queued(self._lanes.queued_forwards())
            self._changed.notify()
        task.future.add_done_callback(lambda _: self._forget(task))
        return task.future

    def close(self, timeout_s: float | None = None) -> None:
        """Take no new work, finish what was accepted, and stop the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _admit(self, order: Order) -> None:
        if self._closing:
            raise DrainingError(
                "The service is shutting down and takes no new work. Send the request to another instance.",
                retry_after_s=1.0,
            )
        check_queue(order, self._lanes, self._rates, most_forwards=self._queue_forwards)
        try:
            check_deadline(order, self._lanes, self._rates)
        except (BudgetError, OverloadedError):
            self._watch.reached(order.weight.kind, Deadline.REFUSED)
            raise

    def _forget(self, task: Task) -> None:
        """Drop a task whose caller went away; the one on the device is dropped after its micro-batch."""
        if not task.future.cancelled():
            return
        with self._changed:
            if task not in self._lanes:
                return
            if task is self._running:
                self._lanes.expect_no_more(task)
                return
            self._drop(task)
        _close(task)

    def _drop(self, task: Task) -> None:
        self._lanes.remove(task)
        if task.future.cancelled():
            self._watch.cancelled(task.weight.kind, task.spent)
        self._watch.queued(self._lanes.queued_forwards())

    def _own_device(self) -> None:
        while (task := self._next_task()) is not None:
            begin = time.perf_counter()
            forwards, end = self._serve(task)
            self._account(task, time.perf_counter() - begin, forwards, finished=end is not None)
            if end is not None:  # after the accounts, so that whoever has the answer finds them right
                end()
            del task, end  # nothing of it stays while there is nothing to do

    def _next_task(self) -> Task | None:
        with self._changed:
            while not len(self._lanes):
                self._before = None
                if self._closing:
                    return None
                self._changed.wait()
            task, before = self._lanes.next(), self._before
            if before is not None and before in self._lanes and task.weight > before.weight:
                before.journey.preemptions += 1
                self._watch.preempted(before.weight.kind)
            self._running = task
            return task

    def _serve(self, task: Task) -> tuple[float, End | None]:
        """Run one micro-batch of *task*; say what it cost in passes, and how to end the task if it is finished."""
        try:
            return self._advance(task)
        except DeadlineReached:
            error: BaseException = _deadline_missed(started=task.answer is not None)
        except DeviceFullError:
            log.exception("out of device memory")
            error = _no_memory()
        except Exception as failure:  # noqa: BLE001 - the outermost loop: a plan's failure is its own request's
            error = failure
        return 0.0, partial(self._settle, task, error=error)

    def _advance(self, task: Task) -> tuple[float, End | None]:
        if task.future.cancelled():
            return 0.0, _nothing
        plan = task.plan
        if plan is None:
            plan = task.begin()
            task.journey.begin()
            if not task.restarts:
                self._watch.waited(task.weight.kind, time.monotonic() - task.accepted)
        try:
            batch = next(plan) if task.answer is None else plan.send(task.answer)
        except StopIteration as end:
            return 0.0, partial(self._settle, task, result=end.value)
        try:
            with task.journey.micro_batch(batch.size):
                task.answer = task.runner.run(batch)
        except DeviceFullError:
            if task.restarts >= _MOST_RESTARTS or not task.runner.shrink(batch):
                raise
            _log_shrinking(task, batch)
            task.restart()
            return 0.0, None
        cost = task.runner.cost(batch)
        self._watch.ran(task.runner.name, batch)
        task.ran(batch.size, cost)
        return cost, None

    def _account(self, task: Task, seconds: float, forwards: float, *, finished: bool) -> None:
        with self._changed:
            self._rates.observe(task.runner, forwards, seconds)
            if finished and task.is_stopped:
                self._rates.observe_answer(task.runner, seconds)
            self._lanes.charge(task, seconds, forwards)
            self._running, self._before = None, task
            finished = finished or task.future.cancelled()
            if finished:
                self._drop(task)
            else:
                self._watch.queued(self._lanes.queued_forwards())
        if finished:
            self._before = None
            _close(task)

    def _settle(self, task: Task, *, result: object = None, error: BaseException | None = None) -> None:
        """Resolve the future unless the caller has cancelled it meanwhile."""
        task.journey.end()
        if not task.future.set_running_or_notify_cancel():
            return
        if task.is_stopped or task.is_overdue():
            self._watch.reached(task.weight.kind, Deadline.ANSWERED if error is None else Deadline.FAILED)
        if error is None:
            task.future.set_result(result)
        else:
            task.future.set_exception(error)


def _nothing() -> None:
    """Nobody waits."""


def _close(task: Task) -> None:
    """Let go of a plan; should it fail even at that, the device must go on with the others."""
    try:
        task.close()
    except Exception:
        log.exception("a plan failed when it was closed")


def _deadline_missed(*, started: bool) -> BudgetError | OverloadedError:
    if not started:
        return OverloadedError(
            "The deadline passed while the request waited for the device. Retry later, or raise deadline_ms.",
            retry_after_s=1.0,
            where="options.deadline_ms",
        )
    return BudgetError(
        "The deadline passed before there was anything to answer. Raise deadline_ms, or choose a cheaper method or "
        "receipt.",
        where="options.deadline_ms",
    )


def _no_memory() -> OverloadedError:
    return OverloadedError(
        "The device has not enough free memory for a single pass of this request. Retry later; if it happens again, "
        "the model is too large for what else is on the device.",
        retry_after_s=10.0,
    )


def _log_shrinking(task: Task, batch: MicroBatch) -> None:
    log.warning(
        "%s: a micro-batch of %d (%s) did not fit into the device's memory; smaller ones from now on",
        task.runner.name,
        batch.size,
        batch.direction,
    )
