"""SCAAT, and its controls that differ in the budget or in what fills it."""

from collections.abc import Iterator

import torch

from training.arms.allowance import attacks, budget_of
from training.arms.pair import outer
from training.arms.search import search
from training.arms.situation import Outcome, Situation
from training.arms.standard import standard
from training.attack import Attack, project
from training.modes import evaluating
from training.passes import Passes


def scaat(now: Situation) -> Iterator[Outcome]:
    """SCAAT, reconstructed from the abstract of arXiv 2311.05143: attack what the saliency map leaves free.

    While epsilon is 0, or no term of the loss asks for a perturbed image, this is :func:`standard` bit for bit.
    """
    if not attacks(now):
        yield from standard(now)
        return
    with evaluating(now.network):
        found, cost = search(now, refreshing=True)
    yield outer(now, found, cost)


def uniform_at(now: Situation) -> Iterator[Outcome]:
    """Adversarial training with the same budget for every pixel (TRADES, arXiv 1901.08573)."""
    yield from scaat(_with_budget(now, kind="uniform"))


def noise(now: Situation) -> Iterator[Outcome]:
    """Control: the budget of :func:`scaat`, filled by random signs instead of an attack."""
    if not attacks(now):
        yield from standard(now)
        return
    with evaluating(now.network):
        budget, _, cost = budget_of(now, now.images)
    signs = torch.rand(now.images.shape, generator=now.generator, device=now.images.device) - 0.5
    delta = project(signs.sign() * budget[:, None], now.images, budget, "linf")
    yield outer(now, Attack(delta, budget, Passes()), cost)


def _with_budget(now: Situation, *, kind: str) -> Situation:
    budget = now.config.budget.model_copy(update={"kind": kind, "random_mix": 0.0})
    config = now.config.model_copy(update={"budget": budget})
    return Situation(now.model, now.network, now.images, now.labels, config, now.intensity, now.generator)
