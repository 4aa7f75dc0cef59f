"""The network's answers to clean and perturbed images, and the loss of both."""

import torch
from torch import Tensor

from training.arms.situation import TRAINED, Outcome, Situation
from training.attack import Attack
from training.modes import keeping_statistics
from training.objective import objective
from training.passes import Passes


def outer(now: Situation, found: Attack, cost: Passes) -> Outcome:
    """Train on the images and on what an attack made of them; *cost* is what finding it took."""
    clean, perturbed = answer_both(now, now.images + found.delta)
    loss = objective(clean, perturbed, now.labels, now.config.objective)
    measures = {"moved_share": found.moved_share, "at_limit_share": found.at_limit_share}
    return Outcome(loss, cost + TRAINED + TRAINED, {**measures, "budget_mean": found.budget.mean()})


def answer_both(now: Situation, perturbed: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of clean and perturbed images, under the policy for BatchNorm's statistics."""
    match now.config.objective.batch_norm:
        case "joint":
            clean_logits, perturbed_logits = now.model(torch.cat([now.images, perturbed])).chunk(2)
            return clean_logits, perturbed_logits
        case "clean":
            clean_logits = now.model(now.images)
            with keeping_statistics(now.network):
                return clean_logits, now.model(perturbed)
        case "separate":
            return now.model(now.images), now.model(perturbed)
