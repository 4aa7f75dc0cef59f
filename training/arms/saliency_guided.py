"""Saliency-guided training (arXiv 2111.14338): replace what the gradient calls unimportant by noise."""

from collections.abc import Iterator

import torch

from training.arms.pair import answer_both
from training.arms.situation import TRAINED, Outcome, Situation
from training.arms.standard import standard
from training.budget import lowest
from training.modes import evaluating
from training.objective import objective
from training.passes import Passes
from training.saliency import input_gradient


def sgt(now: Situation) -> Iterator[Outcome]:
    """Saliency-guided training (arXiv 2111.14338), ranking by the magnitude of the gradient."""
    yield from _guided(now, signed=False)


def sgt_signed(now: Situation) -> Iterator[Outcome]:
    """The same as published: its code ranks the signed channel mean, so the most negative gradients go."""
    yield from _guided(now, signed=True)


def _guided(now: Situation, *, signed: bool) -> Iterator[Outcome]:
    if now.intensity.epsilon == 0 or now.config.objective.consistency == 0:
        yield from standard(now)
        return
    with evaluating(now.network):
        gradient, _ = input_gradient(now.network, now.images, now.labels, "log_probability")
    scores = gradient.mean(1) if signed else gradient.abs().amax(1)
    fraction = now.config.objective.sgt_fraction * now.weakened
    mask = lowest(scores, fraction, now.generator)[:, None]
    low, high = now.images.amin((2, 3), keepdim=True), now.images.amax((2, 3), keepdim=True)
    fill = (
        torch.rand(now.images.shape, generator=now.generator, device=now.images.device) * (high - low) + low
    )
    clean, masked = answer_both(now, torch.where(mask > 0, fill, now.images))
    loss = objective(clean, masked, now.labels, now.config.objective)
    yield Outcome(loss, Passes(forward=1, backward_to_image=1) + TRAINED + TRAINED)
