"""How much each pixel may move, as a share of epsilon: the saliency constraint.

Every plausible reading of "saliency constrained", and every control, is one line of :data:`FORMS`. SCAAT's
own is unknown; this is reconstructed from the abstract of arXiv 2311.05143.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from training.config import BudgetConfig, BudgetKind


def lowest(scores: Tensor, fraction: float, generator: torch.Generator) -> Tensor:
    """Mark the lowest scores of every image: exactly the same number each, ties broken at random.

    Dead borders all have gradient 0; by position, the same corner would always win among them.

    Args:
        scores: ``[N, H, W]``.
        fraction: Share of pixels to mark; their number is rounded.
        generator: Decides among ties.

    Returns:
        ``[N, H, W]``, 0 or 1.

    Examples:
        >>> scores = torch.tensor([[[0.3, 0.1], [0.9, 0.2]]])
        >>> lowest(scores, 0.5, torch.Generator().manual_seed(0))
        tensor([[[0., 1.],
                 [0., 1.]]])
    """
    flat = scores.flatten(1)
    shuffle = torch.rand(flat.shape, generator=generator, device=flat.device).argsort(dim=1)
    ranked = shuffle.gather(1, flat.gather(1, shuffle).argsort(dim=1, stable=True))
    chosen = ranked[:, : round(fraction * flat.shape[1])]
    return torch.zeros_like(flat).scatter_(1, chosen, 1.0).view_as(scores)


def _hard(scores: Tensor, options: BudgetConfig, generator: torch.Generator) -> Tensor:
    return lowest(scores, options.fraction, generator)


def _threshold(scores: Tensor, options: BudgetConfig, _: torch.Generator) -> Tensor:
    return (scores < options.threshold).to(scores.dtype)


def _soft(scores: Tensor, options: BudgetConfig, _: torch.Generator) -> Tensor:
    return (1 - scores).clamp(0, 1) ** options.gamma


def _exp(scores: Tensor, options: BudgetConfig, _: torch.Generator) -> Tensor:
    return torch.exp(-scores / options.temperature)


def _uniform(scores: Tensor, _: BudgetConfig, __: torch.Generator) -> Tensor:
    return torch.ones_like(scores)


def _random(scores: Tensor, options: BudgetConfig, generator: torch.Generator) -> Tensor:
    return lowest(torch.zeros_like(scores), options.fraction, generator)


def _inverted(scores: Tensor, options: BudgetConfig, generator: torch.Generator) -> Tensor:
    return lowest(-scores, options.fraction, generator)


FORMS: Mapping[BudgetKind, Callable[[Tensor, BudgetConfig, torch.Generator], Tensor]] = {
    "hard": _hard,
    "threshold": _threshold,
    "soft": _soft,
    "exp": _exp,
    "uniform": _uniform,
    "random": _random,
    "inverted": _inverted,
}


def budget_shares(scores: Tensor, options: BudgetConfig, generator: torch.Generator) -> Tensor:
    """Turn saliency into shares of epsilon.

    Args:
        scores: ``[N, H, W]``, saliency with a maximum of 1 per image.
        options: The form and its parameters.
        generator: For ties, for the random form, and for images that get noise instead of their map.

    Returns:
        ``[N, H, W]``, in [0, 1].
    """
    if options.random_mix > 0:
        noise = torch.rand(scores.shape, generator=generator, device=scores.device)
        chosen = torch.rand(len(scores), generator=generator, device=scores.device) < options.random_mix
        scores = torch.where(chosen[:, None, None], noise, scores)
    return FORMS[options.kind](scores, options, generator)


def budget_map(shares: Tensor, epsilon: Tensor, mean_epsilon: float | None) -> Tensor:
    """Give every pixel its budget.

    Args:
        shares: ``[N, H, W]``.
        epsilon: ``[N]``, pixel units; the schedule and the per-image scale are in it.
        mean_epsilon: None, or the mean to rescale each image's budget to (arms that are compared must spend
            the same). An image whose shares are all 0 keeps a budget of 0.

    Returns:
        ``[N, H, W]``, pixel units, not negative.

    Examples:
        Half of the pixels at twice the mean spend as much as all of them at the mean:

        >>> shares = torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]])
        >>> budget_map(shares, torch.ones(2), mean_epsilon=0.25)
        tensor([[[0.5000, 0.0000]],
        <BLANKLINE>
                [[0.2500, 0.2500]]])
    """
    if mean_epsilon is not None:
        mean = shares.mean((1, 2), keepdim=True)
        shares = torch.where(mean > 0, shares / mean.clamp_min(torch.finfo(shares.dtype).tiny), shares)
        return shares * mean_epsilon * epsilon[:, None, None]
    return shares * epsilon[:, None, None]
