"""How concentrated a map is. Never called faithfulness: a sparse map may well omit real evidence."""

import torch
from torch import Tensor


def gini(maps: Tensor) -> Tensor:
    """Gini index of magnitudes: 0 if all are equal, nearly 1 if one holds everything.

    Args:
        maps: ``[N, ...]``; signs do not matter.

    Returns:
        ``[N]``; 0 for a map of zeros.

    Examples:
        >>> gini(torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0]]))
        tensor([0.0000, 0.7500])

    References:
        Chalasani et al. "Concise Explanations of Neural Networks using Adversarial Training", ICML 2020.
    """
    values = maps.abs().flatten(1).double().sort(1).values
    n = values.shape[1]
    weights = 2 * torch.arange(1, n + 1, dtype=values.dtype, device=values.device) - n - 1
    total = values.sum(1)
    result = (values * weights).sum(1) / (n * total).clamp_min(torch.finfo(values.dtype).tiny)
    return result.float()


def entropy_share(maps: Tensor) -> Tensor:
    """Entropy of magnitudes over its maximum: 1 if all are equal, 0 if one holds everything.

    Args:
        maps: ``[N, ...]``; signs do not matter.

    Returns:
        ``[N]``; 1 for a map of zeros.

    Examples:
        >>> entropy_share(torch.tensor([[1.0, 1.0, 0.0, 0.0]]))
        tensor([0.5000])
    """
    values = maps.abs().flatten(1).double()
    total = values.sum(1, keepdim=True)
    count = torch.tensor(values.shape[1], dtype=values.dtype)
    shares = torch.where(total > 0, values / total.clamp_min(torch.finfo(values.dtype).tiny), 1 / count)
    result: Tensor = torch.special.entr(shares).sum(1) / count.log()
    return result.float()
