"""Whether maps depend on what the network has learnt, and on the class (Adebayo et al., arXiv 1810.03292)."""

import copy
from collections.abc import Mapping
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from service.faithfulness.measures.correlation import spearman
from training.modes import evaluating
from training.random import seed_of
from training.saliency import input_gradient, reduce_channels


class Resettable(Protocol):
    """A layer that can draw fresh weights, as torch's own layers can."""

    def reset_parameters(self) -> None:
        """Draw them."""


def randomisation_checks(network: nn.Module, images: Tensor, labels: Tensor) -> Mapping[str, float]:
    """Compare gradient maps by rank correlation with those of networks that know nothing.

    Args:
        network: Images in [0, 1] to logits.
        images: ``[N, 3, H, W]``.
        labels: ``[N]``.

    Returns:
        Mean Spearman correlations of magnitudes: with the last layer randomised, with all layers randomised, the
        floor (two networks randomised independently: what the image alone brings about), and with the map of the
        next class.
    """
    own = _map(network, images, labels)
    blank, other = randomised(network, 0, last_only=False), randomised(network, 1, last_only=False)
    classes = _answer_size(network, images)
    return {
        "last_layer_randomised": _agreement(
            own, _map(randomised(network, 0, last_only=True), images, labels)
        ),
        "all_layers_randomised": _agreement(own, _map(blank, images, labels)),
        "floor": _agreement(_map(blank, images, labels), _map(other, images, labels)),
        "next_class": _agreement(own, _map(network, images, (labels + 1) % classes)),
    }


def randomised(network: nn.Module, seed: int, *, last_only: bool) -> nn.Module:
    """Copy a network with fresh weights in its last layer, or in all of them."""
    copied = copy.deepcopy(network)
    layers = [module for module in copied.modules() if hasattr(module, "reset_parameters")]
    with torch.random.fork_rng(devices=[]):
        # Not the bare number: a network that was initialised from it would get its own weights back.
        torch.manual_seed(seed_of(seed, "randomisation"))
        for layer in layers[-1:] if last_only else layers:
            cast("Resettable", layer).reset_parameters()
    return copied


def _map(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    with evaluating(network):
        return reduce_channels(input_gradient(network, images, labels)[0], "max").flatten(1)


def _agreement(first: Tensor, second: Tensor) -> float:
    """Mean rank correlation of the rows; a row that ranks nothing is correlated with nothing."""
    pairs = zip(first.double().cpu().numpy(), second.double().cpu().numpy(), strict=True)
    return float(np.mean([spearman(*pair) or 0.0 for pair in pairs]))


def _answer_size(network: nn.Module, images: Tensor) -> int:
    with evaluating(network), torch.no_grad():
        return int(network(images[:1]).shape[1])
