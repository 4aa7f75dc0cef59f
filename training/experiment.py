"""Arms x seeds, one after the other, in an order that is worth stopping anywhere."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.config import Config, validated
from training.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is compared.

    Args:
        name: Of the experiment.
        question: What it is to answer.
        runs: By arm, then seed; seeds in the outer order, so that whenever it is stopped every arm has as
            many seeds as any other, or one less.
        labels: What each arm is, for the report.
        candidates: Arms that the report holds against the arm ``standard``.
    """

    name: str
    question: str
    runs: Mapping[tuple[str, int], Config]
    labels: Mapping[str, str]
    candidates: tuple[str, ...]


def read_experiment(path: Path) -> Experiment:
    """Read an experiment: settings in common, and what each arm changes.

    Args:
        path: TOML with ``name``, ``question``, ``output``, ``seeds``, ``[common]`` and one ``[arms.<name>]`` each,
            in which ``label`` is for people and everything else is a setting. ``candidates`` names the arms that
            are held against ``standard``; only ``scaat`` if it is left out.

    Raises:
        ConfigurationError: The file or a setting is wrong.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        arms, seeds, output = content["arms"], content["seeds"], Path(content["output"])
        common, question = content["common"], content["question"]
        labels = {arm: settings.pop("label", arm) for arm, settings in arms.items()}
        seeds = list(seeds)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path} is no experiment: {error!r}", where=str(path)) from error
    runs = {}
    for seed in seeds:
        for arm, settings in arms.items():
            merged = merge(common, settings)
            merged |= {"seed": seed, "output": str(output / arm / f"seed-{seed}")}
            runs[arm, seed] = validated(merged, f"{path}, arm {arm}")
    candidates = tuple(content.get("candidates", [arm for arm in arms if arm == "scaat"]))
    if unknown := set(candidates) - set(arms):
        raise ConfigurationError(
            f"{path} has candidates without an arm: {', '.join(sorted(unknown))}; its arms are {', '.join(arms)}",
            where=str(path),
        )
    return Experiment(content.get("name", path.stem), question, runs, labels, candidates)


def merge(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the second settings over the first, section by section.

    Examples:
        >>> merge({"attack": {"steps": 3, "norm": "l2"}}, {"attack": {"steps": 7}})
        {'attack': {'steps': 7, 'norm': 'l2'}}
    """
    merged = dict(first)
    for key, value in second.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
