"""The budget of this moment: saliency, the form of the constraint, the schedule, and how sure the network is."""

import torch
from torch import Tensor

from training.arms.situation import Situation
from training.budget import budget_map, budget_shares
from training.config import BudgetConfig
from training.passes import Passes
from training.saliency import saliency


def attacks(now: Situation) -> bool:
    """Say whether any pixel may move and any term of the loss asks for a perturbed image."""
    wanted = now.config.objective.consistency > 0 or now.config.objective.adversarial > 0
    largest = (
        now.config.attack.epsilon
        if now.config.budget.mean_epsilon is None
        else now.config.budget.mean_epsilon
    )
    return wanted and largest > 0 and now.intensity.epsilon > 0


def budget_of(now: Situation, points: Tensor) -> tuple[Tensor, Tensor | None, Passes]:
    """Make the budget of every pixel; also the logits at *points* if they were seen, and the cost."""
    config = now.config
    shape = points[:, 0]
    logits, passes = None, Passes()
    if config.budget.kind in {"uniform", "random"} and config.schedule.confidence is None:
        scores = torch.zeros_like(shape)
    else:
        guide = saliency(now.network, points, now.labels, config.saliency, now.generator)
        scores, logits, passes = guide.map, guide.logits, guide.passes
    if now.config.schedule.confidence is not None and logits is None:
        with torch.no_grad():
            logits, passes = now.network(points), passes + Passes(forward=1)
    shares = budget_shares(scores, _current_budget(now), now.generator)
    mean = config.budget.mean_epsilon
    scale = _image_scale(now, logits) * now.intensity.epsilon
    # Under an equal budget epsilon cancels: only the scale is left.
    epsilon = scale if mean is not None else scale * config.attack.epsilon
    return budget_map(shares, epsilon, mean), logits, passes


def _current_budget(now: Situation) -> BudgetConfig:
    """Ramp the share of pixels from its initial value."""
    final, start = now.config.budget.fraction, now.config.schedule.initial_fraction
    fraction = final if start == 0 else start + (final - start) * now.intensity.fraction
    return now.config.budget.model_copy(update={"fraction": fraction})


def _image_scale(now: Situation, logits: Tensor | None) -> Tensor:
    """Spare images that the network has not learnt: the probability of the label over ``confidence``, at most 1."""
    ones = torch.ones(len(now.images), device=now.images.device)
    if now.config.schedule.confidence is None or logits is None:
        return ones
    own = logits.softmax(1).gather(1, now.labels[:, None])[:, 0]
    return (own / now.config.schedule.confidence).clamp(0, 1)
