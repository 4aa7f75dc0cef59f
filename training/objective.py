"""The outer loss."""

from torch import Tensor
from torch.nn import functional

from training.config import ObjectiveConfig


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each image, ``[N]``, in nats."""
    return functional.cross_entropy(logits, labels, reduction="none")


def kl_divergence(reference_logits: Tensor, other_logits: Tensor) -> Tensor:
    """``KL(p || q)`` of each image, p from the first argument: the expectation is under the reference.

    SGT and TRADES take the clean image as the reference. The order of torch's ``kl_div`` is the
    other way round, and has been confused in published code.

    Args:
        reference_logits: ``[N, C]``.
        other_logits: ``[N, C]``.

    Returns:
        ``[N]``, in nats.

    Examples:
        p = (1/2, 1/2) and q = (3/4, 1/4) give 1/2 log(2/3) + 1/2 log 2:

        >>> import torch
        >>> kl_divergence(torch.zeros(1, 2), torch.tensor([[3.0, 1.0]]).log())
        tensor([0.1438])
    """
    p = functional.log_softmax(reference_logits, 1)
    q = functional.log_softmax(other_logits, 1)
    return (p.exp() * (p - q)).sum(1)


def objective(clean: Tensor, perturbed: Tensor, labels: Tensor, options: ObjectiveConfig) -> Tensor:
    """``CE(x) + lambda KL(p(x) || p(x')) + mu CE(x')`` of each image.

    Gradients flow through both sides of the KL divergence, as in SGT and TRADES, unless ``detach_clean``.

    Args:
        clean: Logits ``[N, C]``.
        perturbed: Logits ``[N, C]``.
        labels: ``[N]``.
        options: Weights.

    Returns:
        ``[N]``.
    """
    loss = cross_entropy(clean, labels)
    if options.consistency > 0:
        reference = clean.detach() if options.detach_clean else clean
        loss = loss + options.consistency * kl_divergence(reference, perturbed)
    if options.adversarial > 0:
        loss = loss + options.adversarial * cross_entropy(perturbed, labels)
    return loss
