"""The wait for one long answer, on one line of a terminal."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from saliserve_client.cli.bar import bar, duration
from saliserve_client.results import Progress

if TYPE_CHECKING:
    from typing_extensions import Self

ERASE = "\r\x1b[K"


class Waiting:
    """Shows how far the service is, and takes the line away again at the end. Shows nothing in a log.

    Args:
        stream: Where to.
    """

    def __init__(self, *, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty()

    def __call__(self, progress: Progress) -> None:
        """Show where the work is."""
        self._write(ERASE + line(progress))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._write(ERASE)

    def _write(self, text: str) -> None:
        if self._terminal:
            with suppress(OSError):  # a terminal that was closed
                self._stream.write(text)
                self._stream.flush()


def line(progress: Progress) -> str:
    """Say where the work is.

    Examples:
        >>> line(Progress("explain", 25, 100, 12_400.0))
        '█████░░░░░░░░░░░░░░░ 25/100 passes  explain  ETA 0:12'
    """
    share = progress.forwards_done / max(1, progress.forwards_planned)
    to_go = "-" if progress.remaining_ms is None else duration(progress.remaining_ms / 1e3)
    passes = f"{progress.forwards_done}/{progress.forwards_planned} passes"
    return f"{bar(share)} {passes}  {progress.stage}  ETA {to_go}"
