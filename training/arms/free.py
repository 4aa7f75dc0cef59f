"""Adversarial training for free."""

from collections.abc import Iterator

import torch

from training.arms.situation import TRAINED, Outcome, Situation
from training.arms.standard import standard
from training.attack import project, random_start
from training.objective import cross_entropy


def free_l2(now: Situation) -> Iterator[Outcome]:
    """Replay a batch and let each backward pass serve the weights and the attack ("free", L2).

    After McClure et al., arXiv 2004.11114: the noise moves along its gradient by a random share of the
    radius and is brought back into the ball.
    """
    radius = now.config.attack.radius * now.intensity.epsilon
    if radius == 0:
        yield from standard(now)
        return
    budget = torch.full_like(now.images[:, 0], radius)
    delta = random_start(now.images, budget, "l2", now.generator)
    for _ in range(now.config.attack.replays):
        leaf = delta.detach().requires_grad_()
        yield Outcome(cross_entropy(now.model(now.images + leaf), now.labels), TRAINED)
        if leaf.grad is None:
            continue
        share = torch.rand((len(delta), 1, 1, 1), generator=now.generator, device=delta.device)
        direction = leaf.grad / leaf.grad.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None, None]
        delta = project(delta + radius * share * direction, now.images, budget, "l2")
