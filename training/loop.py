"""Fit: batches, steps, epochs."""

import math
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from tqdm import tqdm

from training.answers import answers
from training.arms import ARMS
from training.arms.situation import Outcome, Situation
from training.config import Config
from training.data.batches import Augmented, load
from training.data.pictures import limited
from training.guard import guard_holds, roll_back
from training.log import RunLog
from training.monitors import answer_measures, observe
from training.passes import Passes
from training.random import seed_of, stream
from training.schedule import intensity_at, learning_rate_at
from training.trainer import BEST, LAST, Progress, Trainer, check_finite, diverged, prepare, save


def fit(
    config: Config, *, quiet: bool = False, after_step: Callable[[Trainer], None] = lambda _: None
) -> Progress:
    """Train, or go on with a run that was interrupted.

    Args:
        config: The run; its folder decides whether this is a new one.
        quiet: No progress bar.
        after_step: Called after every batch.

    Returns:
        Where it ended.

    Raises:
        DataError: The data cannot be trained on.
        ConfigurationError: No such network or layer.
        CheckpointError: The folder holds a run of other settings, or a checkpoint cannot be read or written.
        DivergedError: The loss, or a weight, is no longer finite.
    """
    if config.device.threads is not None:
        torch.set_num_threads(config.device.threads)
    trainer = prepare(config, quiet=quiet)
    log = RunLog(config.output, trainer.progress.epoch) if trainer.fabric.is_global_zero else None
    try:
        if config.guard.points is not None and trainer.progress.start_accuracy is None:
            trainer.progress.start_accuracy = _validate(trainer)["accuracy"]
        while trainer.progress.epoch < config.optimiser.epochs:
            measures = _epoch(trainer, after_step)
            if log is not None:
                log.epoch(trainer.progress.epoch - 1, measures)
            # After its line: a run that is killed in between drops the line and does the epoch again.
            save(trainer, LAST)
    finally:
        if log is not None:
            log.close()
    return trainer.progress


def _epoch(trainer: Trainer, after_step: Callable[[Trainer], None]) -> dict[str, float]:
    config, progress = trainer.config, trainer.progress
    data = Augmented(trainer.training, config.data, config.seed)
    batches = load(data, trainer.order, progress.epoch, progress.step, config.data.workers)
    bar = tqdm(
        batches,
        total=trainer.order.steps,
        initial=progress.step,
        desc=f"{config.arm} seed {config.seed} epoch {progress.epoch + 1}/{config.optimiser.epochs}",
        disable=trainer.quiet or not trainer.fabric.is_global_zero,
        mininterval=5,
    )
    losses: list[float] = []
    saved = clock = time.monotonic()
    for images, labels in bar:
        losses.append(_batch(trainer, images.to(trainer.fabric.device), labels.to(trainer.fabric.device)))
        progress.step += 1
        progress.seconds += time.monotonic() - clock
        clock = time.monotonic()
        bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
        if clock - saved > config.checkpoint_seconds and progress.step < trainer.order.steps:
            save(trainer, LAST)
            saved = clock
        after_step(trainer)
    return _finish_epoch(trainer, losses)


def _batch(trainer: Trainer, images: Tensor, labels: Tensor) -> float:
    """Take the steps of one batch; return the mean loss of the last."""
    config, progress = trainer.config, trainer.progress
    purpose = (progress.epoch, progress.step, trainer.order.rank)
    # Dropout and the like draw from the global stream; set it as a function of the step.
    torch.manual_seed(seed_of(config.seed, "model", *purpose))
    if config.device.channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    strength = intensity_at(trainer.share_done, config.schedule)
    now = Situation(
        model=trainer.model,
        network=trainer.network,
        images=images,
        labels=labels,
        config=config,
        intensity=replace(strength, epsilon=strength.epsilon * progress.epsilon_factor),
        generator=stream(trainer.fabric.device, config.seed, "attack", *purpose),
        weakened=progress.epsilon_factor,
    )
    trainer.model.train()
    value = math.nan
    for outcome in ARMS[config.arm](now):
        value = _step(trainer, outcome)
    return value


def _step(trainer: Trainer, outcome: Outcome) -> float:
    rate = learning_rate_at(trainer.share_done, trainer.config.optimiser)
    for group in trainer.optimiser.param_groups:
        group["lr"] = rate
    loss = outcome.loss.mean()
    value = float(loss.detach())
    if not math.isfinite(value):
        progress = trainer.progress
        raise diverged(
            trainer, f"the loss is {value} at epoch {progress.epoch + 1}, step {progress.step + 1}"
        )
    trainer.optimiser.zero_grad(set_to_none=True)
    trainer.fabric.backward(loss)
    trainer.optimiser.step()
    trainer.passes += outcome.passes
    return value


def _finish_epoch(trainer: Trainer, losses: list[float]) -> dict[str, float]:
    progress, config = trainer.progress, trainer.config
    check_finite(trainer)
    steps = max(1, len(losses))
    measures = {f"validation/{name}": value for name, value in _validate(trainer).items()}
    accuracy = measures["validation/accuracy"]
    fixed = limited(trainer.validation, config.monitor_images)
    images, labels = (part.to(trainer.fabric.device) for part in fixed.batch(range(len(fixed))))
    seen = observe(trainer.network, images, labels, config, trainer.mask)
    trainer.mask = seen.mask
    measures |= {f"monitor/{name}": value for name, value in seen.measures.items()}
    measures |= {
        "loss": sum(losses) / steps,
        "forward_passes_per_step": trainer.passes.forward / steps,
        "backward_passes_to_image_per_step": trainer.passes.backward_to_image / steps,
        "backward_passes_to_weights_per_step": trainer.passes.backward_to_weights / steps,
        "seconds": progress.seconds,
    }
    trainer.passes = Passes()
    progress.epoch, progress.step = progress.epoch + 1, 0
    if guard_holds(trainer, accuracy):
        if accuracy > progress.best_accuracy:
            progress.best_accuracy = accuracy
            save(trainer, BEST)
    else:
        roll_back(trainer)
    return measures


def _validate(trainer: Trainer) -> dict[str, float]:
    return answer_measures(*answers(trainer.network, trainer.validation, trainer.fabric.device))
