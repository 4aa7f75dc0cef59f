"""What each epoch is watched by, on the same images every time."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchmetrics.functional.classification import multiclass_calibration_error

from training.attack import attack
from training.budget import lowest
from training.config import AttackConfig, Config
from training.modes import evaluating
from training.random import stream
from training.saliency import input_gradient, saliency
from training.sparseness import entropy_share, gini

BINS = 15
"""Of confidence, as in the bundle's evaluation."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen on the fixed batch.

    Args:
        measures: By name; shares in [0, 1], gradients in logits per pixel unit.
        mask: ``[N, H, W]``, the least salient half, to tell the churn from one epoch to the next.
    """

    measures: dict[str, float]
    mask: Tensor


def observe(
    network: nn.Module, images: Tensor, labels: Tensor, config: Config, previous: Tensor | None
) -> Observation:
    """Look at a network.

    Draws from a stream of its own: it changes neither the training nor, once set back, the network.

    Args:
        network: Any mode; gets its mode back.
        images: ``[N, 3, H, W]`` in [0, 1].
        labels: ``[N]``.
        config: The run: saliency, budget and epsilon.
        previous: The mask of the epoch before; None at the first.
    """
    generator = stream(images.device, config.seed, "monitor")
    with evaluating(network):
        gradient, logits = input_gradient(network, images, labels)
        guide = saliency(network, images, labels, config.saliency, generator)
        everywhere = torch.full_like(images[:, 0], config.attack.epsilon)
        found = attack(network, images, labels, everywhere, options=MONITOR_ATTACK, generator=generator)
        with torch.no_grad():
            robust = network(images + found.delta).argmax(1) == labels
    mask = lowest(guide.map, 0.5, generator)
    magnitude = gradient.abs().amax(1)
    measures = {
        **answer_measures(logits, labels),
        "robust_accuracy": _mean(robust),
        "gradient_norm": _mean(gradient.flatten(1).norm(dim=1)),
        "gini": _mean(gini(magnitude)),
        "entropy_share": _mean(entropy_share(magnitude)),
        "mass_in_lowest_half": _mean((magnitude * mask).sum((1, 2)) / magnitude.sum((1, 2)).clamp_min(1e-30)),
        "moved_share": float(found.moved_share),
        "at_limit_share": float(found.at_limit_share),
    }
    if previous is not None:
        both, either = (mask * previous).sum((1, 2)), mask.maximum(previous).sum((1, 2))
        measures["mask_overlap"] = _mean(both / either)
    return Observation(measures, mask)


MONITOR_ATTACK = AttackConfig(steps=5, loss="cross_entropy")


def answer_measures(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Score answers: accuracy, mean confidence, expected calibration error, cross-entropy in nats."""
    probabilities = logits.softmax(1)
    error = multiclass_calibration_error(
        probabilities, labels, num_classes=logits.shape[1], n_bins=BINS, norm="l1"
    )
    return {
        "accuracy": _mean(logits.argmax(1) == labels),
        "confidence": _mean(probabilities.amax(1)),
        "calibration_error": float(error),
        "cross_entropy": float(nn.functional.cross_entropy(logits, labels)),
    }


def _mean(values: Tensor) -> float:
    return float(values.float().mean())
