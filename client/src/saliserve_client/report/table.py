"""Reading a scored table, whichever of its two forms it has and whichever version wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from saliserve_client.errors import FileError
from saliserve_client.scoring import parquet
from saliserve_client.scoring.journal import Row, whole_lines
from saliserve_client.scoring.output import journal_path
from saliserve_client.scoring.rows import COLUMNS

NEEDED = ("image", "status")
"""A table without them says nothing of any image."""

NEEDED_OF_SCORED = ("model_name", "model_version", "model_sha256", "label", "probability")
"""What every answer has, explained or only predicted."""


def read_table(path: Path) -> Iterator[Row]:
    """Read the rows of ``.jsonl`` or ``.parquet``.

    Columns that are not there are null in every row: later versions add some, and somebody may have left some out.
    What rests on them is then missing from a report, as it is where an image was only predicted.

    Raises:
        FileError: No such table, or not one that ``score`` wrote.
        MissingPackageError: It is Parquet and pyarrow is not installed.
    """
    if not _is_file(path):
        kind = "a folder" if path.is_dir() else "no such file"
        raise FileError(f"{path}: {kind}; expected a scored table{_hint(path)}")
    rows = parquet.read(path) if path.suffix == ".parquet" else _lines(path)
    nothing = dict.fromkeys(column.name for column in COLUMNS)
    found = False
    for row in rows:
        found = True
        _check(row, path)
        yield {**nothing, **row}
    if not found:
        raise FileError(f"{path}: no rows in it; expected a table that `saliserve score` wrote")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error


def _lines(path: Path) -> Iterator[Row]:
    try:
        for entry in whole_lines(path):
            yield entry.row
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error


def _hint(path: Path) -> str:
    """Name the rows that a run which has not come to its end has so far."""
    journal = journal_path(path)
    return f". The run is not complete; {journal} holds its rows so far" if journal.is_file() else ""


def _check(row: Row, path: Path) -> None:
    needed = NEEDED if row.get("status") == "failed" else (*NEEDED, *NEEDED_OF_SCORED)
    missing = [name for name in needed if row.get(name) is None]
    if missing:
        raise FileError(
            f"{path}: nothing in {', '.join(missing)} of the row of {row.get('image') or 'some image'}; expected a "
            f"table that `saliserve score` wrote, which has {', '.join(needed)} in every such row"
        )
