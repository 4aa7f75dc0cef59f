"""Images weighed by how well their explanation holds."""

from collections.abc import Iterator

import torch

from training.arms.allowance import attacks
from training.arms.search import search
from training.arms.situation import TRAINED, Outcome, Situation
from training.arms.standard import standard
from training.modes import evaluating
from training.objective import cross_entropy
from training.passes import Passes
from training.saliency import input_gradient


def consistency_weighted(now: Situation) -> Iterator[Outcome]:
    """Weigh an image by how little its explanation survives an attack on what it leaves free.

    Weights are 1 minus the cosine of the two gradient maps (0 agreement where the class changes), held to
    [0.1, 1] and scaled to mean 1. After Wu et al., arXiv 2408.04600, whose exact form was not available.
    """
    if not attacks(now):
        yield from standard(now)
        return
    with evaluating(now.network):
        found, cost = search(now, refreshing=False)
        before, logits = input_gradient(now.network, now.images, now.labels)
        after, moved = input_gradient(now.network, now.images + found.delta, now.labels)
    agreement = torch.cosine_similarity(before.abs().flatten(1), after.abs().flatten(1))
    agreement = agreement * (logits.argmax(1) == moved.argmax(1))
    weights = (1 - agreement).clamp(0.1, 1)
    weights = weights / weights.mean()
    loss = weights * cross_entropy(now.model(now.images), now.labels)
    passes = cost + Passes(forward=2, backward_to_image=2) + TRAINED
    yield Outcome(loss, passes, {"explanation_consistency": agreement.mean()})
