"""Ask a network about a whole set."""

import torch
from torch import Tensor, nn

from training.data.pictures import Pictures
from training.modes import evaluating

BATCH = 256


def answers(network: nn.Module, pictures: Pictures, device: torch.device) -> tuple[Tensor, Tensor]:
    """Classify every picture, without augmentation.

    Returns:
        Logits ``[N, C]`` and labels ``[N]``, both on the CPU.
    """
    logits = []
    with evaluating(network), torch.no_grad():
        for start in range(0, len(pictures), BATCH):
            images, _ = pictures.batch(range(start, min(start + BATCH, len(pictures))))
            logits.append(network(images.to(device)).cpu())
    return torch.cat(logits), pictures.labels
