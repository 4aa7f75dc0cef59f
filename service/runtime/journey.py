"""What became of one request on its way through the engine: when, and how much of the device it had."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a request's way.

    Args:
        name: As in an answer's ``timings_ms``.
        begin_s: When it began, by :func:`time.perf_counter`.
        end_s: When it ended.
    """

    name: str
    begin_s: float
    end_s: float


@contextmanager
def noted(stages: list[Stage], name: str) -> Iterator[None]:
    """Note when a stage begins and ends, however it does."""
    begin_s = time.perf_counter()
    try:
        yield
    finally:
        stages.append(Stage(name, begin_s, time.perf_counter()))


@dataclass(slots=True)
class Journey:
    """Written by whoever has the request, one thread after the other; read when it is over.

    Args:
        accepted_s: When the scheduler took it, by :func:`time.perf_counter`; None if it refused.
        begun_s: When its first turn on the device came.
        ended_s: When there was an answer or a failure; None if its caller went away before.
        device_s: Seconds that its micro-batches took.
        forwards: Passes that were run.
        micro_batches: In which they were.
        preemptions: Turns that it lost to a kind that goes first.
        restarts: Times that it began anew because the device's memory did not suffice.
        stages: Those that were begun, in the order in which they ended.
    """

    accepted_s: float | None = None
    begun_s: float | None = None
    ended_s: float | None = None
    device_s: float = 0.0
    forwards: int = 0
    micro_batches: int = 0
    preemptions: int = 0
    restarts: int = 0
    stages: list[Stage] = field(default_factory=list)

    def accept(self) -> None:
        """Note that it waits for the device from now on."""
        self.accepted_s = time.perf_counter()

    def begin(self) -> None:
        """Note that its turn has come; a restart does not count."""
        if self.begun_s is None:
            self.begun_s = time.perf_counter()

    def end(self) -> None:
        """Note that it is over."""
        self.ended_s = time.perf_counter()

    @contextmanager
    def micro_batch(self, forwards: int) -> Iterator[None]:
        """Count a micro-batch, if it succeeds.

        Examples:
            >>> journey = Journey()
            >>> with journey.micro_batch(16):
            ...     pass
            >>> journey.micro_batches, journey.forwards
            (1, 16)
        """
        begin_s = time.perf_counter()
        yield
        self.device_s += time.perf_counter() - begin_s
        self.micro_batches += 1
        self.forwards += forwards

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Note when a stage begins and ends."""
        return noted(self.stages, name)
