"""Reading a scored table, whichever of its two forms it has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from saliserve_client.errors import FileError
from saliserve_client.scoring import parquet
from saliserve_client.scoring.journal import Row, whole_lines
from saliserve_client.scoring.rows import COLUMNS

NEEDED = frozenset(column.name for column in COLUMNS)


def read_table(path: Path) -> Iterator[Row]:
    """Read the rows of ``.jsonl`` or ``.parquet``.

    Raises:
        FileError: No such table, or not one that ``score`` wrote.
        MissingPackageError: It is Parquet and pyarrow is not installed.
    """
    if not path.is_file():
        raise FileError(f"{path}: {'a folder' if path.is_dir() else 'no such file'}; expected a scored table")
    rows = parquet.read(path) if path.suffix == ".parquet" else (entry.row for entry in whole_lines(path))
    found = False
    for row in rows:
        found = True
        missing = NEEDED - row.keys()
        if missing:
            raise FileError(
                f"{path}: no column {min(missing)}; expected a table that `saliserve score` wrote"
            )
        yield row
    if not found:
        raise FileError(f"{path}: no rows in it; expected a table that `saliserve score` wrote")
