"""Output as Parquet, and lists of images from it. The only file that needs pyarrow."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from saliserve_client.errors import FileError, MissingPackageError
from saliserve_client.files import writing
from saliserve_client.scoring.journal import Row
from saliserve_client.scoring.rows import COLUMNS, SCHEMA_VERSION

ROWS_PER_GROUP = 10_000
"""Rows held in memory at a time; a row with a full receipt is some 10 kB, so about 100 MB."""


def pyarrow() -> Any:
    """Import pyarrow with its Parquet part, or say how to get it.

    Raises:
        MissingPackageError: It is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional
        import pyarrow.parquet as _  # noqa: F401, PLC0415 - makes pa.parquet
    except ImportError as error:
        raise MissingPackageError(
            "pyarrow is needed for Parquet: pip install 'saliserve-client[parquet]', or use a .jsonl output"
        ) from error
    return pa


def schema() -> Any:
    """Make the Arrow schema of the output; the same whatever the rows hold."""
    pa = pyarrow()
    kinds = {
        "text": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "texts": pa.list_(pa.string()),
    }
    fields = [
        pa.field(column.name, kinds[column.kind], metadata={"meaning": column.meaning}) for column in COLUMNS
    ]
    return pa.schema(fields, metadata={"saliserve.schema_version": str(SCHEMA_VERSION)})


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write rows to a Parquet file, whole or not at all; by one process at a time.

    Raises:
        MissingPackageError: pyarrow is not installed.
        OutputError: The file cannot be written.
    """
    pa = pyarrow()
    shape = schema()
    # Of a name that does not change, so that what a killed start left half is written over.
    temporary = path.with_name(f".{path.name}.part")
    with writing(path):
        try:
            with pa.parquet.ParquetWriter(temporary, shape, compression="zstd") as writer:
                for group in _groups(rows):
                    writer.write_table(pa.Table.from_pylist(group, schema=shape))
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def read(path: Path) -> Iterator[Row]:
    """Read rows from a Parquet file.

    Raises:
        FileError: Not a Parquet file.
    """
    yield from _batches(path, None, str(path))


def column(file: Path | BinaryIO, name: str, *, called: str) -> list[str]:
    """Read a column of texts.

    Args:
        file: Where it is, or itself.
        name: Of the column.
        called: What messages call the file.

    Raises:
        FileError: Not a Parquet file, without that column, or something else than texts is in it.
    """
    values = [row[name] for row in _batches(file, [name], called)]
    for number, value in enumerate(values):
        if not isinstance(value, str):
            found = "null" if value is None else f"a value of type {type(value).__name__}"
            raise FileError(f"{called}: {found} in row {number} of column {name}; expected a path in each")
    return values


def _batches(source: Path | BinaryIO, columns: list[str] | None, called: str) -> Iterator[Row]:
    pa = pyarrow()
    try:
        file = pa.parquet.ParquetFile(source)
    except (OSError, pa.ArrowInvalid) as error:
        raise FileError(f"{called}: cannot be read as Parquet: {error}") from error
    missing = set(columns or ()) - set(file.schema_arrow.names)
    if missing:
        raise FileError(f"{called}: no column {', '.join(sorted(missing))} in it")
    with file:
        batches = file.iter_batches(columns=columns)
        try:
            for batch in batches:
                yield from batch.to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise FileError(f"{called}: broken, or cut short: {error}") from error


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    remaining = iter(rows)
    while group := list(islice(remaining, ROWS_PER_GROUP)):
        yield group
