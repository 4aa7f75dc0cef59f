"""The record of what is done: one line of JSON per image, appended whole or not at all."""

from __future__ import annotations

import enum
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saliserve_client.errors import OutputError, RunError
from saliserve_client.files import sync_folder, writing

if TYPE_CHECKING:
    from typing_extensions import Self

try:
    import fcntl
except ImportError:  # Windows: two runs on one output are not told apart there
    fcntl = None  # type: ignore[assignment]

Row = dict[str, Any]
"""One line of a run's output; the columns are in :mod:`saliserve_client.scoring.rows`."""


class Durability(str, enum.Enum):
    """When appended lines are forced to the disk.

    A killed process loses nothing under any of them, because the operating system has the
    line by then. A power cut may lose what was not forced; those images are then scored again.
    """

    ALWAYS = "always"
    """After every line."""

    SECOND = "second"
    """At most once a second, and at the end."""

    NEVER = "never"
    """When the operating system likes."""


@dataclass(frozen=True)
class Entry:
    """A line of the journal: where it begins and what it says."""

    offset: int
    row: Row


class Journal:
    """Append-only and held by one process at a time.

    On opening, whatever a crash left half-written is cut off, so every line is whole.

    Args:
        path: Made if missing.
        durability: When lines are forced to the disk.
        keep: Lines for which this is false are dropped on opening, for instance failures to be tried again.
        clock: Seconds, for :attr:`Durability.SECOND`.

    Raises:
        RunError: Another process holds it.
        OutputError: It cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        durability: Durability = Durability.SECOND,
        keep: Callable[[Row], bool] = lambda _: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self._durability = durability
        self._clock = clock
        self._forced_s = clock()
        self._dirty = False
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = self._hold()
            self._mend(keep)

    def entries(self) -> Iterator[Entry]:
        """Read the whole lines from the beginning; of an image that comes twice, the first."""
        return whole_lines(self.path)

    def append(self, row: Row) -> int:
        """Add a line and return where it begins.

        Raises:
            OutputError: The disk is full or gone; the journal is as it was before.
        """
        line = (json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n").encode()
        begin = os.lseek(self._descriptor, 0, os.SEEK_END)
        try:
            _write_all(self._descriptor, line)
            self._dirty = True
            self._force()
        except OSError as error:
            # Shortening needs no space, so this works on a full disk too. Where the disk is gone nothing does, and
            # what is half there is cut off when the journal is opened again.
            with suppress(OSError):
                os.ftruncate(self._descriptor, begin)
            raise OutputError(f"{self.path}: cannot be written: {error.strerror or error}") from error
        return begin

    def at(self, offset: int) -> Row:
        """Read the line that begins at *offset*."""
        with self.path.open("rb") as file:
            file.seek(offset)
            row: Row = json.loads(file.readline())
            return row

    def remove(self) -> None:
        """Take the file away while it is held: once it is not, it may be another run's."""
        with suppress(PermissionError):  # Windows removes no file that is open; there it stays, empty
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Force what is there to the disk and let go of it."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        with writing(self.path):
            try:
                if self._durability is not Durability.NEVER:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _hold(self) -> int:
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                _lock(descriptor, self.path)
            except BaseException:
                os.close(descriptor)
                raise
            # Another run may have replaced the file between the opening and the lock.
            if _is_at(descriptor, self.path):
                sync_folder(self.path.parent)
                return descriptor
            os.close(descriptor)

    def _mend(self, keep: Callable[[Row], bool]) -> None:
        """Leave only whole lines worth keeping, by way of a second file if anything must go."""
        kept = sum(len(line) for _, line, row in _lines(self.path) if keep(row))
        if kept == os.fstat(self._descriptor).st_size:
            return
        # Of a name that does not change: nobody else is here, and what a killed start left is written over.
        temporary = self.path.with_name(f".{self.path.name}.part")
        with temporary.open("wb") as file:
            for _, line, row in _lines(self.path):
                if keep(row):
                    file.write(line)
            file.flush()
            os.fsync(file.fileno())
        held = self._descriptor
        try:
            # While the old file is held: else another run could take it just before it goes, and write into nothing.
            temporary.replace(self.path)
            self._descriptor = self._hold()
        finally:
            os.close(held)

    def _force(self) -> None:
        due = self._durability is Durability.ALWAYS or (
            self._durability is Durability.SECOND and self._clock() - self._forced_s >= 1
        )
        if due and self._dirty:
            os.fsync(self._descriptor)
            self._forced_s = self._clock()
            self._dirty = False


def whole_lines(path: Path) -> Iterator[Entry]:
    """Read a journal, or any JSON-lines output, without holding it."""
    for offset, _, row in _lines(path):
        yield Entry(offset, row)


def _lines(path: Path) -> Iterator[tuple[int, bytes, Row]]:
    """Give each line that is whole, is an object with an ``image``, and is the first of its image."""
    seen: set[str] = set()
    with path.open("rb") as file:
        offset = 0
        for line in file:
            row = _parsed(line)
            if row is not None and row["image"] not in seen:
                seen.add(row["image"])
                yield offset, line, row
            offset += len(line)


def _parsed(line: bytes) -> Row | None:
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("image"), str) else None


def _write_all(descriptor: int, data: bytes) -> None:
    """Write in one call where the system lets us; a nearly full disk takes a part and then fails."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _lock(descriptor: int, path: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RunError(
            f"{path}: another run is writing it; wait for that one or choose another --out"
        ) from None


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
