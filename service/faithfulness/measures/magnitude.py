"""Whether a map's magnitudes are right, not only their order.

Curves know only which cell comes before which. Here the model is asked what it loses when cells are
removed, and that is held against the sum of the map in them.
"""

from dataclasses import dataclass

import numpy as np

from service.faithfulness.measures.correlation import Numbers, pearson, spearman


@dataclass(frozen=True, slots=True)
class Magnitude:
    """A map's sums against the model's losses, under one removal operator.

    Args:
        operator: Its name.
        saco: Salience-guided faithfulness coefficient: 1 is perfect, about 0 chance, -1 upside down.
        mu_fidelity: Correlation of sums and losses: 1 is perfect, 0 chance, -1 upside down.
        mu_fidelity_rank: The same of their ranks.
        normalised_infidelity: Share of the squared losses that the sums do not account for, at the best scale:
            0 is perfect, 1 says nothing.
    """

    operator: str
    saco: float | None
    mu_fidelity: float | None
    mu_fidelity_rank: float | None
    normalised_infidelity: float | None


def saco(salience: Numbers, losses: Numbers) -> float | None:
    """Return by how much the more salient groups matter more, weighed by how much more salient they are.

    Two groups whose removal costs exactly the same say nothing, and count neither way; in the paper they count
    for the map, so that a model that ignores the image would give every map 1.

    Args:
        salience: ``[groups]``: the sum of the map in each.
        losses: ``[groups]``: the fall of the target's probability when that group alone is removed.

    Returns:
        In [-1, 1]; None if all groups are equally salient.

    Examples:
        >>> saco(np.array([5.0, 2.0, 1.0]), np.array([0.6, 0.3, 0.1]))
        1.0

    References:
        Wu, Kang, Tang, Hong, Yan. "On the Faithfulness of Vision Transformer Explanations", CVPR 2024,
        algorithm 1. https://arxiv.org/abs/2404.01415
    """
    more_salient = salience[:, None] - salience[None, :]
    agreement = np.sign(losses[:, None] - losses[None, :])
    pairs = np.triu_indices(len(salience), 1)
    weight = np.abs(more_salient[pairs]).sum()
    return float((more_salient * agreement)[pairs].sum() / weight) if weight > 0 else None


def normalised_infidelity(sums: Numbers, losses: Numbers) -> float | None:
    """Return ``E[(beta * sum - loss)^2] / E[loss^2]`` at the best factor ``beta >= 0``.

    The factor makes it independent of the map's scale. It may not be negative, because no factor mends a
    map of the wrong sign: that gets 1, as does a map that says nothing.

    Args:
        sums: ``[n]``: of the map over each set of removed pixels.
        losses: ``[n]``: the fall of the target's logit when that set is removed.

    Returns:
        In [0, 1]; None if nothing is ever lost.

    Examples:
        >>> normalised_infidelity(np.array([1.0, 2.0]), np.array([3.0, 6.0]))
        0.0
        >>> normalised_infidelity(np.array([1.0, 2.0]), np.array([-3.0, -6.0]))
        1.0

    References:
        Yeh, Hsieh, Suggala, Inouye, Ravikumar. "On the (In)fidelity and Sensitivity of Explanations", NeurIPS
        2019, definition 2.1 (square removal) and section 3.1 (scaling). https://arxiv.org/abs/1901.09392
    """
    lost = float((losses**2).sum())
    if lost == 0:
        return None
    largest = np.abs(sums).max()
    if largest == 0:
        return 1.0
    unit = sums / largest
    beta = max(0.0, float((unit * losses).sum() / (unit**2).sum()))
    return min(1.0, float(((beta * unit - losses) ** 2).sum()) / lost)


def mu_fidelity(sums: Numbers, losses: Numbers) -> tuple[float | None, float | None]:
    """Return the correlations of what the map says is lost and what is: of the values, and of their ranks.

    Args:
        sums: ``[n]``: of the map over random sets of removed cells, all of the same size.
        losses: ``[n]``: the fall of the target's logit when that set is removed.

    References:
        Bhatt, Weller, Moura. "Evaluating and Aggregating Feature-based Model Explanations", IJCAI 2020,
        definition 3. https://arxiv.org/abs/2005.00631
    """
    return pearson(sums, losses), spearman(sums, losses)
