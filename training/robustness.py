"""Accuracy under attack, with and without a look inside the network."""

import torch
from torch import Tensor, nn

from training.attack import attack
from training.config import AttackConfig
from training.modes import evaluating

BATCH = 128
PGD_20 = AttackConfig(steps=20, loss="cross_entropy")


def white_box_accuracy(
    network: nn.Module, images: Tensor, labels: Tensor, epsilon: float, generator: torch.Generator
) -> float:
    """Share of images that survive 20 steps of PGD on the cross-entropy within l_inf epsilon, one start.

    Args:
        network: Images in [0, 1] to logits.
        images: ``[N, 3, H, W]``.
        labels: ``[N]``.
        epsilon: Pixel units.
        generator: Of the start.
    """
    right = 0
    with evaluating(network):
        for part, own in zip(torch.split(images, BATCH), torch.split(labels, BATCH), strict=True):
            everywhere = torch.full_like(part[:, 0], epsilon)
            found = attack(network, part, own, everywhere, options=PGD_20, generator=generator)
            with torch.no_grad():
                right += int((network(part + found.delta).argmax(1) == own).sum())
    return right / len(images)


def black_box_accuracy(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    epsilon: float,
    *,
    queries: int,
    generator: torch.Generator,
) -> float:
    """Share of images that survive a random search that sees answers only.

    If this is lower than :func:`white_box_accuracy`, the gradients are masked and robust accuracy means
    nothing. A square of random size is set to plus or minus epsilon per channel and kept if the margin falls,
    as in the Square attack (Andriushchenko et al., arXiv 1912.00049), without its schedule.

    Args:
        network: Images in [0, 1] to logits.
        images: ``[N, 3, H, W]``.
        labels: ``[N]``.
        epsilon: Pixel units.
        queries: Tries per image.
        generator: Of the search.
    """
    with evaluating(network), torch.no_grad():
        # Vertical stripes: the start of the Square attack.
        stripes = _signs((len(images), 3, 1, images.shape[3]), generator)
        best = (images + epsilon * stripes).clamp(0, 1)
        margins = _margins(network(best), labels)
        margins = torch.where(_margins(network(images), labels) < 0, -1.0, margins)
        for _ in range(queries):
            tried = (images + epsilon * _with_square((best - images) / max(epsilon, 1e-12), generator)).clamp(
                0, 1
            )
            found = _margins(network(tried), labels)
            better = found < margins
            best = torch.where(better[:, None, None, None], tried, best)
            margins = torch.minimum(margins, found)
    return float((margins > 0).float().mean())


def _with_square(unit: Tensor, generator: torch.Generator) -> Tensor:
    height, width = unit.shape[2:]
    side = int(torch.randint(1, max(2, height // 2), (), generator=generator))
    top = int(torch.randint(0, height - side + 1, (), generator=generator))
    left = int(torch.randint(0, width - side + 1, (), generator=generator))
    changed = unit.clone()
    changed[:, :, top : top + side, left : left + side] = _signs((len(unit), 3, 1, 1), generator)
    return changed


def _signs(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, shape, generator=generator).float() * 2 - 1


def _margins(logits: Tensor, labels: Tensor) -> Tensor:
    own = logits.gather(1, labels[:, None])[:, 0]
    return own - logits.scatter(1, labels[:, None], -torch.inf).amax(1)
