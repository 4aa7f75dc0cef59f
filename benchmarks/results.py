"""Results on disk: a JSON file per row, so that an interrupted run goes on where it was."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.machine import load, machine

Row: TypeAlias = dict[str, Any]
"""What was measured, in plain types; ``name`` says of what."""

FOLDER = Path(os.environ.get("BENCH_OUT", "out/bench"))
"""Where results lie unless somebody says otherwise."""


class Results:
    """The rows that are finished.

    Args:
        folder: A subfolder per part of a name, ``resnet18/occlusion`` is ``resnet18/occlusion.json``.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder

    def __contains__(self, name: str) -> bool:
        return self._path(name).exists()

    def __getitem__(self, name: str) -> Row:
        row: Row = json.loads(self._path(name).read_text())
        return row

    def save(self, name: str, row: Row) -> Row:
        """Write a row whole or not at all, with date, machine and load."""
        full = {
            "name": name,
            "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "load": load(),
            "machine": machine(),
            **row,
        }
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_text(json.dumps(full, indent=1) + "\n")
        unfinished.replace(path)
        return full

    def under(self, prefix: str) -> Iterator[Row]:
        """Rows whose names begin with a folder, by name."""
        for path in sorted((self.folder / prefix).rglob("*.json")):
            row: Row = json.loads(path.read_text())
            yield row

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"
