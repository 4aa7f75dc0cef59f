"""Checkpoints: tensors and JSON in one safetensors file, written whole or not at all. No pickle."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from training.errors import CheckpointError

FORMAT = "saliserve-training-1"
NETWORK = "network."
OPTIMISER = "optimiser."


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A moment of a run.

    Args:
        network: The network's tensors by name.
        optimiser: The optimiser's tensors: ``<parameter number>.<name>``.
        facts: Everything else, as JSON holds it: step, epoch, configuration, classes, scores.
    """

    network: Mapping[str, Tensor]
    optimiser: Mapping[str, Tensor]
    facts: Mapping[str, Any]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint so that *path* holds either the old or the new one, whatever happens in between.

    Raises:
        CheckpointError: It cannot be written, for instance because the disk is full; the old one is intact.
    """
    tensors = {NETWORK + name: value for name, value in checkpoint.network.items()}
    tensors |= {OPTIMISER + name: value for name, value in checkpoint.optimiser.items()}
    # Copies: safetensors refuses tensors that share memory, as tied weights do.
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    data = save(plain, {"format": FORMAT, "facts": json.dumps(checkpoint.facts)})
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written: {error}. The checkpoint before it is intact; make room and resume.",
            where=str(path),
        ) from error
    finally:
        fresh.unlink(missing_ok=True)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: Missing, damaged, or not one of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read as a checkpoint: {error}", where=str(path)) from error
    if header.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has format {header.get('format')!r}; expected {FORMAT!r}, as `training fit` writes",
            where=str(path),
        )
    return Checkpoint(_below(NETWORK, tensors), _below(OPTIMISER, tensors), json.loads(header["facts"]))


def restore_network(network: nn.Module, checkpoint: Checkpoint, where: str) -> None:
    """Put a checkpoint's weights into a network.

    Raises:
        CheckpointError: It is of another architecture; the first tensor that differs is named.
    """
    own = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in checkpoint.network.items()}
    for name in sorted(own.keys() | found.keys()):
        if own.get(name) != found.get(name):
            raise CheckpointError(
                f"{where} is of another network: {name} is {found.get(name, 'absent')} there and "
                f"{own.get(name, 'absent')} here. Set model.* as in the run that wrote it.",
                where=name,
            )
    network.load_state_dict(dict(checkpoint.network))


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Flatten the state of an optimiser."""
    state = optimiser.state_dict()["state"]
    return {
        f"{number}.{name}": value
        for number, entries in state.items()
        for name, value in entries.items()
        if isinstance(value, Tensor)
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put the flattened state back."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value.clone()
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
