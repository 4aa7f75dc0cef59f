"""How long each stage of a request takes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.runtime.journey import Journey


class Stopwatch:
    """Milliseconds per stage, waiting included.

    Args:
        begin: Told of each stage that begins.
        journey: Keeps when each began and ended.
    """

    def __init__(
        self, begin: Callable[[str], object] = lambda _: None, journey: Journey | None = None
    ) -> None:
        self.timings_ms: dict[str, float] = {}
        self._begin = begin
        self._journey = journey or Journey()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage, even one that fails."""
        self._begin(name)
        try:
            with self._journey.stage(name):
                yield
        finally:
            stage = self._journey.stages[-1]
            self.timings_ms[name] = 1e3 * (stage.end_s - stage.begin_s)
