"""A run on disk: what was asked for, what came of it, and the network."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from training.checkpoint import load_checkpoint, restore_network
from training.config import Config, validated
from training.errors import CheckpointError
from training.models import build_network
from training.trainer import BEST


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A trained network and how it came about.

    Args:
        folder: Of the run.
        config: Its settings.
        classes: Names, in the order of the logits.
        network: The weights of the epoch with the best validation accuracy, in evaluation mode.
        progress: Epoch, seconds, validation accuracy and rollbacks.
    """

    folder: Path
    config: Config
    classes: tuple[str, ...]
    network: nn.Module
    progress: Mapping[str, Any]


def open_run(folder: Path) -> FinishedRun:
    """Read the best checkpoint of a run.

    Raises:
        CheckpointError: There is none, or it is damaged.
    """
    path = folder / BEST
    if not path.is_file():
        raise CheckpointError(
            f"{folder} holds no {BEST}; let `training fit` finish at least one epoch", where=str(folder)
        )
    checkpoint = load_checkpoint(path)
    config = validated(checkpoint.facts["config"], str(path))
    classes = tuple(checkpoint.facts["classes"])
    # Its own weights follow; those it started from need not be there any more.
    network = build_network(config.model.model_copy(update={"pretrained": False}), len(classes))
    restore_network(network, checkpoint, str(path))
    return FinishedRun(folder, config, classes, network.eval(), checkpoint.facts["progress"])
