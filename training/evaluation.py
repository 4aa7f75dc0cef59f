"""What an evaluation looks like on disk."""

import json
from pathlib import Path
from typing import Any

from training.errors import CheckpointError

EVALUATION = "evaluation.json"


def read_evaluation(folder: Path) -> dict[str, Any]:
    """Read the evaluation of a run.

    Raises:
        CheckpointError: There is none, or it is damaged.
    """
    path = folder / EVALUATION
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"{path} cannot be read: {error}. Run `python -m training evaluate {folder}` first.",
            where=str(path),
        ) from error
    return found


def write_evaluation(folder: Path, found: dict[str, Any]) -> None:
    """Write the evaluation of a run, whole or not at all."""
    fresh = folder / f".{EVALUATION}"
    fresh.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    fresh.replace(folder / EVALUATION)
