"""How concentrated a map is. Neat is not true: neither number says anything about faithfulness."""

import numpy as np

from service.arrays import SaliencyMap


def gini(saliency: SaliencyMap) -> float | None:
    """Return the Gini index of the absolute values.

    Returns:
        0 if all pixels are equally strong, near 1 if one holds everything; None for a map of zeros.

    Examples:
        >>> gini(np.array([[0, 0, 0, -8]], np.float32))
        0.75

    References:
        Chalasani et al. "Concise Explanations of Neural Networks using Adversarial Training", ICML 2020,
        section 2. https://arxiv.org/abs/1810.06583
    """
    strength = np.sort(np.abs(saliency.astype(np.float64)).ravel())
    total = strength.sum()
    if total == 0:
        return None
    count = len(strength)
    rank = np.arange(1, count + 1)
    return float(((2 * rank - count - 1) * strength).sum() / (count * total))


def entropy_share(saliency: SaliencyMap) -> float | None:
    """Return the entropy of the absolute values over its maximum.

    Returns:
        1 if all pixels are equally strong, 0 if one holds everything; None for a map of zeros or of one pixel.

    Examples:
        >>> entropy_share(np.array([[1, 1, 0, 0]], np.float32))
        0.5

    References:
        Bhatt, Weller, Moura. "Evaluating and Aggregating Feature-based Model Explanations", IJCAI 2020,
        section 3.3. https://arxiv.org/abs/2005.00631
    """
    strength = np.abs(saliency.astype(np.float64)).ravel()
    total = strength.sum()
    if total == 0 or len(strength) == 1:
        return None
    share = strength[strength > 0] / total
    return float(-(share * np.log(share)).sum() / np.log(len(strength)))
