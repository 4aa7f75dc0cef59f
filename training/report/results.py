"""The evaluations of an experiment, picture by picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.config import Config, changed_settings, load_config
from training.errors import CheckpointError
from training.evaluation import EVALUATION, read_evaluation
from training.experiment import Experiment
from training.trainer import CONFIG

OPERATORS = ("gaussian_blur", "channel_mean", "road", "noise", "black")


@dataclass(frozen=True, slots=True)
class Results:
    """What has been measured so far.

    Args:
        experiment: What was asked.
        evaluations: By arm and seed.
        missing: Runs without an evaluation.
    """

    experiment: Experiment
    evaluations: Mapping[tuple[str, int], Mapping[str, Any]]
    missing: tuple[tuple[str, int], ...]

    @property
    def arms(self) -> tuple[str, ...]:
        """Arms with at least one evaluation, in the experiment's order."""
        return tuple(dict.fromkeys(arm for arm, _ in self.evaluations))

    @property
    def explainers(self) -> tuple[str, ...]:
        """Whose maps were judged."""
        return tuple(self.of(self.arms[0])[0]["explainers"])

    def seeds(self, arm: str) -> tuple[int, ...]:
        """Seeds of an arm that were evaluated."""
        return tuple(seed for name, seed in self.evaluations if name == arm)

    def of(self, arm: str) -> list[Mapping[str, Any]]:
        """Evaluations of an arm, one per seed."""
        return [self.evaluations[arm, seed] for seed in self.seeds(arm)]


def collect(experiment: Experiment) -> Results:
    """Read every evaluation there is.

    Raises:
        CheckpointError: There is none at all, they are of other settings than the experiment's, or runs were evaluated
            on different pictures or by different attacks.
    """
    found, missing = {}, []
    for key, config in experiment.runs.items():
        if (config.output / EVALUATION).is_file():
            _check_settings(config)
            found[key] = read_evaluation(config.output)
        else:
            missing.append(key)
    if not found:
        raise CheckpointError(
            f"no run of {experiment.name} is evaluated; run `python -m training evaluate` first"
        )
    pictures = {tuple(one["pictures"]) for one in found.values()}
    if len(pictures) > 1:
        raise CheckpointError(f"runs of {experiment.name} were evaluated on different pictures; use --again")
    if len({_attacks(one) for one in found.values()}) > 1:
        raise CheckpointError(
            f"runs of {experiment.name} were evaluated by different attacks; use --again, and the same --epsilons and "
            "--robust-images for all"
        )
    return Results(experiment, found, tuple(missing))


def _check_settings(config: Config) -> None:
    """Refuse to call a run by settings that it was not made with."""
    path = config.output / CONFIG
    if not path.is_file():
        return
    changed = changed_settings(load_config(path, {}), config)
    if changed:
        raise CheckpointError(
            f"{config.output} was made with other settings of {', '.join(changed)} than the experiment has now. Set "
            "them back, or remove the run.",
            where=changed[0],
        )


def _attacks(evaluation: Mapping[str, Any]) -> tuple[tuple[Any, ...], ...]:
    return tuple((one["attack"], one["epsilon"], one["images"]) for one in evaluation["robust"])


@dataclass(frozen=True, slots=True)
class Measure:
    """One number per picture.

    Args:
        name: For the tables.
        group: ``answers``, ``sparseness``, ``receipts``, ``localisation`` or ``stability``.
        better: ``more``, ``less`` or ``neither``.
        path: Where it is in an evaluation.
    """

    name: str
    group: str
    better: str
    path: tuple[str, ...]


def measures(explainers: Sequence[str]) -> list[Measure]:
    """List everything that is compared picture by picture.

    Sparseness is nobody's merit (``neither``): a sparse map may omit real evidence.
    """
    listed = [Measure("accuracy", "answers", "more", ("correct",))]
    for explainer in explainers:
        path = ("explainers", explainer)
        listed.append(Measure(f"Gini of {explainer}", "sparseness", "neither", (*path, "gini")))
        listed.append(
            Measure(f"mass in boxes, {explainer}", "localisation", "more", (*path, "mass_in_boxes"))
        )
        listed += [
            Measure(f"gain of {explainer}, {operator}", "receipts", "more", (*path, "gains", operator))
            for operator in OPERATORS
        ]
    listed.append(Measure("largest map change under input noise", "stability", "less", ("input_stability",)))
    listed.append(Measure("map change over answer change", "stability", "less", ("output_stability",)))
    return listed


def values(evaluation: Mapping[str, Any], measure: Measure) -> NDArray[np.float64]:
    """Read one measure, ``[pictures]``; NaN where it could not be taken."""
    if measure.path == ("correct",):
        return np.array([float(digit) for digit in evaluation["correct"]])
    found: Any = evaluation
    for position, key in enumerate(measure.path):
        if isinstance(found, list):
            rest = measure.path[position:]
            return np.array([_number(row.get(rest[0])) for row in found])
        found = found[key]
    return np.array([_number(value) for value in found])


def paired(results: Results, measure: Measure, first: str, second: str) -> NDArray[np.float64]:
    """Differences first minus second, ``[seeds, pictures]``, for the seeds that both have."""
    seeds = [seed for seed in results.seeds(first) if seed in results.seeds(second)]
    return np.array(
        [
            values(results.evaluations[first, seed], measure)
            - values(results.evaluations[second, seed], measure)
            for seed in seeds
        ]
    )


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)
