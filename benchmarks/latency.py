"""An engine over one model, with a stopwatch on every micro-batch."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.models import load_model
from service.engine import Engine
from service.runtime.model import LoadedModel
from service.runtime.plan import Answer, Direction, MicroBatch


class Timed:
    """A model that notes how long each of its larger micro-batches took.

    Args:
        model: Answers.
    """

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self.batch_seconds: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def run(self, batch: MicroBatch) -> Answer:
        """Answer one micro-batch, and note its time unless it is a single pass."""
        begin = time.perf_counter()
        answer = self._model.run(batch)
        if batch.size == self._model.micro_batch(Direction.FORWARD):
            self.batch_seconds.append(time.perf_counter() - begin)
        return answer


@contextmanager
def timed_engine(name: str, *, threads: int = 1) -> Iterator[tuple[Engine, Timed]]:
    """Open an engine that serves one of the project's models, with room for any queue."""
    timed = Timed(load_model(name, threads=threads))
    store = SimpleNamespace(get=lambda _name=None, _version=None: timed)
    with Engine(store, queue_forwards=10**6) as engine:  # type: ignore[arg-type]  # all that it asks for
        yield engine, timed


def milliseconds(seconds: list[float], percentile: float) -> float:
    """A percentile, in milliseconds."""
    return round(1e3 * float(np.percentile(seconds, percentile)), 2)
