"""The accuracy guard of fine-tuning: an epoch that costs too much is undone, and the attack made weaker."""

from training.checkpoint import load_checkpoint, restore_network
from training.trainer import BEST, Trainer


def guard_holds(trainer: Trainer, accuracy: float) -> bool:
    """Say whether an epoch ended within the points that the guard allows."""
    points, start = trainer.config.guard.points, trainer.progress.start_accuracy
    return points is None or start is None or accuracy >= start - points / 100


def roll_back(trainer: Trainer) -> None:
    """Return to the best weights so far (or the initial ones) and halve the attack for the rest of the run.

    A file of the best weights counts only if this run has written it: one from before its beginning, as of a run that
    was killed in its first epoch, is no result of it.
    """
    config, progress = trainer.config, trainer.progress
    good = config.output / BEST
    source = good if progress.best_accuracy >= 0 and good.is_file() else config.model.initial_weights
    if source is not None:
        restore_network(trainer.network, load_checkpoint(source), str(source))
    progress.epsilon_factor *= 0.5
    progress.rollbacks += 1
