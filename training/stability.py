"""How far a map moves when the image hardly does, and when the answer hardly does."""

import torch
from torch import Tensor, nn

from training.modes import evaluating
from training.saliency import input_gradient, reduce_channels


def stability(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    radius: float,
    draws: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Measure gradient maps, scaled to sum 1, under uniform noise.

    Args:
        network: Images in [0, 1] to logits.
        images: ``[N, 3, H, W]``.
        labels: ``[N]``, the class explained.
        radius: Largest noise on a pixel, pixel units.
        draws: Noisy copies of each image.
        generator: Of the noise.

    Returns:
        Per image, the largest relative change of the map over the draws (``[N]``, lower is steadier), and the
        largest ratio of that to the relative change of the logits (``[N]``): a robust network may keep its
        answer while its map moves.
    """
    with evaluating(network):
        before, answers = _map(network, images, labels)
        change, ratio = torch.zeros(len(images)), torch.zeros(len(images))
        for _ in range(draws):
            noise = (2 * torch.rand(images.shape, generator=generator) - 1) * radius
            after, moved = _map(network, (images + noise).clamp(0, 1), labels)
            relative = (after - before).flatten(1).norm(dim=1) / before.flatten(1).norm(dim=1).clamp_min(
                1e-12
            )
            output = (moved - answers).norm(dim=1) / answers.norm(dim=1).clamp_min(1e-12)
            change = torch.maximum(change, relative)
            ratio = torch.maximum(ratio, relative / output.clamp_min(1e-6))
    return change, ratio


def _map(network: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    gradient, logits = input_gradient(network, images, labels)
    magnitude = reduce_channels(gradient, "max")
    return magnitude / magnitude.sum((1, 2), keepdim=True).clamp_min(1e-12), logits
