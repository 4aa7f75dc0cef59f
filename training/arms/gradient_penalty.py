"""A penalty on the input gradient."""

from collections.abc import Iterator

import torch

from training.arms.situation import Outcome, Situation
from training.objective import cross_entropy
from training.passes import Passes


def input_gradient_l1(now: Situation) -> Iterator[Outcome]:
    """Penalise the L1 norm of the loss's input gradient: what a small l_inf attack amounts to."""
    leaf = now.images.detach().requires_grad_()
    loss = cross_entropy(now.model(leaf), now.labels)
    [gradient] = torch.autograd.grad(loss.sum(), leaf, create_graph=True)
    weight = now.config.objective.input_gradient_l1 * now.intensity.epsilon
    penalty = gradient.abs().sum((1, 2, 3))
    # The backward pass through the gradient costs a forward and a backward pass more.
    passes = Passes(forward=2, backward_to_image=1, backward_to_weights=1)
    yield Outcome(loss + weight * penalty, passes, {"input_gradient_l1": penalty.detach().mean()})
