"""The progress of a scoring run on one line of standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol, TextIO

from saliserve_client.cli.bar import bar, duration
from saliserve_client.scoring.output import Output

REDRAW_S = 0.2
"""On a terminal; often enough to look alive."""

LOG_S = 15.0
"""In a log file, where every line stays."""


class Scoring(Protocol):
    """A run that goes on."""

    @property
    def at_a_time(self) -> int:
        """Requests that may be in flight now."""
        ...


class Progress:
    """Shows images per second, time to go, and failures.

    Args:
        total: Images of the source.
        output: Where their rows go; it may also hold rows of images that are no longer in the source.
        before: How many images of the source had their rows at the start: ``images``, and of them ``failed``.
        stream: Where to; a terminal gets one line redrawn, anything else a line now and then.
        clock: Seconds.
    """

    def __init__(
        self,
        total: int,
        output: Output,
        *,
        before: Mapping[str, int] | None = None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total
        self._output = output
        here = before or {}
        self._elsewhere = {name: output.counts[name] - here.get(name, 0) for name in ("images", "failed")}
        self._before = here.get("images", 0)
        self._stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty()
        self._clock = clock
        self._begin_s = clock()
        self._shown_s = self._begin_s

    def __call__(self, run: Scoring) -> None:
        """Take note of another row; show it if it is time to."""
        now_s = self._clock()
        if now_s - self._shown_s >= (REDRAW_S if self._terminal else LOG_S):
            self._shown_s = now_s
            self._show(run)

    def close(self, run: Scoring) -> None:
        """Show the last state and leave the line."""
        self._show(run)
        if self._terminal:
            self._write("\n")

    def _show(self, run: Scoring) -> None:
        text = self.line(run)
        self._write(f"\r\x1b[K{text}" if self._terminal else f"{text}\n")

    def _write(self, text: str) -> None:
        """Write, or leave it: a terminal that was closed or a log on a full disk must not end the run."""
        with suppress(OSError):
            self._stream.write(text)
            self._stream.flush()

    def line(self, run: Scoring) -> str:
        """Say where the run is."""
        done, failed = (self._output.counts[name] - rows for name, rows in self._elsewhere.items())
        rate = (done - self._before) / max(self._clock() - self._begin_s, 1e-9)
        share = done / self._total if self._total else 1.0
        to_go = duration((self._total - done) / rate) if rate > 0 and done < self._total else "-"
        return (
            f"{bar(share)} {done}/{self._total}  {rate:.1f} images/s  ETA {to_go}  "
            f"{failed} failed  {run.at_a_time} at a time"
        )
