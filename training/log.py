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
        self._path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
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
    """Read the lines of a run, oldest first; none if there is no log yet."""
    path = folder / METRICS
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
