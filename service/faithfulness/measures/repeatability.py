"""Whether the same method gives the same map again where its result should not depend on a choice."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from service.arrays import SaliencyMap
from service.explain.explanation import Explanation
from service.explain.method import Method, Parameters
from service.explain.subject import Subject
from service.faithfulness.measures.correlation import spearman
from service.runtime.plan import Plan

TOP_SHARE = 0.1
"""Of the pixels: those that a reader of a heat map looks at."""

OTHER_BASELINE = {"black": "channel_mean", "channel_mean": "gaussian_blur", "gaussian_blur": "channel_mean"}
"""What a method that removes with the first is tried with instead."""

Explain = Callable[[Subject, Parameters], Plan[Explanation]]
"""Makes a map of the same image by the same method."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two maps of the same image by the same method.

    Args:
        spearman: Rank correlation over the pixels: 1 is the same order, 0 none in common; None if a map is constant.
        top_tenth_overlap: Of the highest tenth of the pixels of either, those that are in both: 1 is the
            same pixels, 0.053 chance.
    """

    spearman: float | None
    top_tenth_overlap: float


@dataclass(frozen=True, slots=True)
class Repeatability:
    """What was made again.

    Args:
        second_seed: None for a method that draws nothing.
        second_baseline: None for a method that replaces nothing, or averages over several baselines.
        baseline: The second one; empty if there is none.
        forwards: Forward passes spent.
    """

    second_seed: Agreement | None
    second_baseline: Agreement | None
    baseline: str
    forwards: int


def agreement(first: SaliencyMap, second: SaliencyMap) -> Agreement:
    """Compare two maps.

    Examples:
        >>> ramp = np.arange(20, dtype=np.float32).reshape(4, 5)
        >>> agreement(ramp, ramp**2)
        Agreement(spearman=1.0, top_tenth_overlap=1.0)
        >>> agreement(ramp, -ramp)
        Agreement(spearman=-1.0, top_tenth_overlap=0.0)
    """
    wide = [one.astype(np.float64).ravel() for one in (first, second)]
    count = max(1, round(TOP_SHARE * first.size))
    top = [set(np.argsort(-one, kind="stable")[:count].tolist()) for one in wide]
    return Agreement(spearman(*wide), len(top[0] & top[1]) / len(top[0] | top[1]))


def repeats(method: Method, parameters: Parameters) -> int:
    """Count the maps that are made again."""
    return int(method.seeded) + (len(parameters.made_with) == 1)


def repeatability_plan(
    subject: Subject, saliency: SaliencyMap, method: Method, parameters: Parameters, explain: Explain
) -> Plan[Repeatability]:
    """Make the map again with another seed and with another baseline, one at a time.

    Args:
        subject: What is explained.
        saliency: Its map.
        method: That made it.
        parameters: With which it was made.
        explain: Makes a map.
    """
    by_seed = by_baseline = None
    baseline, spent = "", 0
    if method.seeded:
        again = yield from explain(replace(subject, seed=(subject.seed + 1) % 2**63), parameters)
        by_seed, spent = agreement(saliency, again.map), spent + again.forwards
    if len(parameters.made_with) == 1:
        baseline = OTHER_BASELINE[parameters.made_with[0]]
        again = yield from explain(subject, parameters.model_copy(update={"baseline": baseline}))
        by_baseline, spent = agreement(saliency, again.map), spent + again.forwards
    return Repeatability(by_seed, by_baseline, baseline, spent)
