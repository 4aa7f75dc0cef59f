"""What a run leaves behind for people: one JSON line per epoch, TensorBoard, and a line on the terminal."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

METRICS = "metrics.jsonl"


class RunLog:
    """The log of one run.

    Args:
        folder: Of the run.
        epochs_done: Epochs that the checkpoint holds; lines of later ones, from a run that was killed, are dropped.
    """

    def __init__(self, folder: Path, epochs_done: int) -> None:
        self._path = folder / METRICS
        kept = [line for line in read_metrics(folder) if line["epoch"] < epochs_done]
        fresh = folder / f".{METRICS}"
        fresh.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        fresh.replace(self._path)
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=epochs_done)

    def epoch(self, number: int, measures: Mapping[str, float]) -> None:
        """Write down one epoch."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"epoch": number, **measures}) + "\n")
        for name, value in measures.items():
            self._board.add_scalar(name, value, number)
        self._board.flush()

    def close(self) -> None:
        """Close TensorBoard's file."""
        self._board.close()


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Read the lines of a run, oldest first; none if there is no log yet.

    Of a line that a full disk or a power cut left half-written, nothing: its epoch is done again.
    """
    path = folder / METRICS
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [found for found in map(_parsed, lines) if found is not None]


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and "epoch" in found else None
