"""A run while it goes: what it holds, how it begins, and how it is kept and picked up again."""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn

from training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    optimiser_tensors,
    restore_network,
    restore_optimiser,
    save_checkpoint,
)
from training.config import Config, OptimiserConfig, changed_settings, validated
from training.data.batches import Order
from training.data.pictures import Pictures, told_skipped
from training.data.read import read_training
from training.errors import CheckpointError, ConfigurationError, DivergedError
from training.models import build_network
from training.passes import Passes
from training.random import seed_of

LAST = "last.safetensors"
BEST = "best.safetensors"
CONFIG = "config.json"


@dataclass
class Progress:
    """Where a run stands; all that a checkpoint holds besides tensors.

    Args:
        epoch: Epochs completed.
        step: Batches completed in the current epoch.
        best_accuracy: Largest validation accuracy of an epoch's end; -1 before the first.
        start_accuracy: Validation accuracy before training, for the guard.
        epsilon_factor: Halved by each rollback of the guard.
        seconds: Spent training, over all sessions.
        rollbacks: How often the guard stepped in.
    """

    epoch: int = 0
    step: int = 0
    best_accuracy: float = -1.0
    start_accuracy: float | None = None
    epsilon_factor: float = 1.0
    seconds: float = 0.0
    rollbacks: int = 0


@dataclass
class Trainer:
    """Everything a run holds while it goes.

    Args:
        config: The run.
        fabric: Devices, precision, processes.
        network: The bare network.
        model: The same, as Fabric set it up.
        optimiser: Of its weights.
        training: Pictures.
        validation: Pictures.
        order: Which pictures make up which batch.
        progress: Where it stands.
        mask: The monitor's mask of the epoch before.
        passes: Spent in this epoch.
    """

    config: Config
    fabric: Fabric
    network: nn.Module
    model: nn.Module
    optimiser: torch.optim.Optimizer
    training: Pictures
    validation: Pictures
    order: Order
    progress: Progress = field(default_factory=Progress)
    mask: Tensor | None = None
    passes: Passes = field(default_factory=Passes)
    quiet: bool = False

    @property
    def share_done(self) -> float:
        """Share of all steps that are done."""
        done = self.progress.epoch * self.order.steps + self.progress.step
        return done / (self.config.optimiser.epochs * self.order.steps)


def prepare(config: Config, *, quiet: bool = False) -> Trainer:
    """Read the data, build the network, and pick up the last checkpoint if there is one."""
    fabric = _fabric(config)
    torch.manual_seed(seed_of(config.seed, "weights"))
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    training, validation = read_training(config.data)
    if fabric.is_global_zero and (left_out := told_skipped(training, validation)):
        sys.stderr.write(left_out)
    network: nn.Module = build_network(config.model, len(training.classes))
    if config.model.initial_weights is not None:
        start = load_checkpoint(config.model.initial_weights)
        restore_network(network, start, str(config.model.initial_weights))
    if config.device.channels_last:
        network = network.to(memory_format=torch.channels_last)
    network.to(fabric.device)
    model, optimiser = fabric.setup(network, _optimiser(network, config.optimiser))
    order = Order(
        len(training),
        min(config.optimiser.batch_size, len(training)),
        config.seed,
        fabric.global_rank,
        fabric.world_size,
    )
    trainer = Trainer(config, fabric, network, model, optimiser, training, validation, order, quiet=quiet)
    if (config.output / LAST).is_file():
        _resume(trainer, load_checkpoint(config.output / LAST))
    elif fabric.is_global_zero:
        _check_no_other_best(config)
        config.output.mkdir(parents=True, exist_ok=True)
        (config.output / CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return trainer


def is_finished(config: Config) -> bool:
    """Say whether the run's folder holds its last epoch.

    Raises:
        CheckpointError: It holds a run of other settings, whose results are not this one's.
    """
    path = config.output / LAST
    if not path.is_file():
        return False
    checkpoint = load_checkpoint(path)
    _check_settings(config, checkpoint)
    epoch: int = checkpoint.facts["progress"]["epoch"]
    return epoch >= config.optimiser.epochs


def save(trainer: Trainer, name: str) -> None:
    """Write a checkpoint, from the first process alone.

    Raises:
        DivergedError: Its weights are no longer finite; the checkpoint before it stays.
        CheckpointError: It cannot be written.
    """
    check_finite(trainer)
    if not trainer.fabric.is_global_zero:
        return
    facts: dict[str, Any] = {
        "progress": vars(trainer.progress),
        "config": json.loads(trainer.config.model_dump_json()),
        "classes": list(trainer.training.classes),
        "torch": torch.__version__,
    }
    tensors = dict(trainer.network.state_dict())
    save_checkpoint(
        trainer.config.output / name, Checkpoint(tensors, optimiser_tensors(trainer.optimiser), facts)
    )


def check_finite(trainer: Trainer) -> None:
    """Refuse to go on with weights of which nothing comes back.

    A gradient may overflow under a finite loss, and the loss says so only a step later.

    Raises:
        DivergedError: Some number is not finite.
    """
    progress = trainer.progress
    for name, value in trainer.network.state_dict().items():
        if not bool(value.isfinite().all()):
            raise diverged(
                trainer, f"{name} is no longer finite after epoch {progress.epoch + 1}, step {progress.step}"
            )


def diverged(trainer: Trainer, what: str) -> DivergedError:
    """Say where a run came to nothing, and what is left of it."""
    output = trainer.config.output
    left = (
        f"The checkpoint in {output} is from before; a run of other settings may begin with it "
        "(model.initial_weights), in an output of its own."
        if (output / LAST).is_file()
        else "No checkpoint had been written yet."
    )
    return DivergedError(
        f"{what}. Lower optimiser.learning_rate or check the data. {left}",
        where=str(output),
    )


def _optimiser(network: nn.Module, options: OptimiserConfig) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        network.parameters(),
        lr=options.learning_rate,
        momentum=options.momentum,
        nesterov=options.momentum > 0,
        weight_decay=options.weight_decay,
    )


def _fabric(config: Config) -> Fabric:
    several = config.device.devices > 1
    try:
        fabric = Fabric(
            accelerator=config.device.accelerator,
            devices=config.device.devices,
            precision=config.device.precision,
            # Buffers broadcast between the two forward passes of a step would invalidate the first one's graph.
            strategy=DDPStrategy(broadcast_buffers=False) if several else "auto",
        )
    except (ImportError, RuntimeError, ValueError) as error:
        raise ConfigurationError(
            f"device.accelerator {config.device.accelerator!r}, {config.device.devices} of them in "
            f"{config.device.precision}, is not to be had here: {error}",
            where="device.accelerator",
        ) from error
    fabric.launch()
    return fabric


def _check_settings(config: Config, checkpoint: Checkpoint) -> None:
    changed = changed_settings(validated(checkpoint.facts["config"], str(config.output / LAST)), config)
    if changed:
        raise CheckpointError(
            f"{config.output} holds a run with other settings of {', '.join(changed)}. Choose another output, or the "
            "settings of its config.json.",
            where=changed[0],
        )


def _check_no_other_best(config: Config) -> None:
    """Refuse to begin in the folder of another run of which only the best weights are left.

    Those of the same settings are of this run, killed before its first epoch was kept.
    """
    path = config.output / BEST
    if not path.is_file():
        return
    facts = load_checkpoint(path).facts
    changed = changed_settings(validated(facts["config"], str(path)), config)
    if changed:
        raise CheckpointError(
            f"{path} is of a run with other settings of {', '.join(changed)}, and would be taken for this one's. Choose "
            "another output, or move it away.",
            where=str(path),
        )


def _resume(trainer: Trainer, checkpoint: Checkpoint) -> None:
    _check_settings(trainer.config, checkpoint)
    restore_network(trainer.network, checkpoint, str(Path(trainer.config.output) / LAST))
    restore_optimiser(trainer.optimiser, checkpoint.optimiser)
    trainer.progress = Progress(**checkpoint.facts["progress"])
