"""Whether a map points where somebody says that the object is.

That is no measure of faithfulness: a model may well look elsewhere, and a faithful map then says so.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.arrays import SaliencyMap

Region = NDArray[np.bool_]
"""``[height, width]``: where the object is."""


@dataclass(frozen=True, slots=True)
class Localisation:
    """A map against a region; every number's chance level is the region's share of the image.

    Args:
        pointing_game: Share of the map's highest pixels that lie in the region: 1 or 0 but for ties.
        relevance_mass: Share of the map's positive sum that lies in it; None if nothing is positive.
        relevance_rank: Share of the K highest pixels that lie in it, K being the region's size.
        chance: The region's share of the image: what a map drawn without looking gets on average.
    """

    pointing_game: float
    relevance_mass: float | None
    relevance_rank: float
    chance: float


def localise(saliency: SaliencyMap, region: Region) -> Localisation:
    """Hold a map against a region.

    Equal values are shared out, as drawing among them would on average, so that a constant map gets
    exactly chance.

    Args:
        saliency: ``[height, width]``, signed.
        region: Of the same size; neither empty nor everything.

    Examples:
        >>> localise(np.array([[4, 1], [-2, 3]], np.float32), np.array([[True, False], [False, False]]))
        Localisation(pointing_game=1.0, relevance_mass=0.5, relevance_rank=1.0, chance=0.25)

    References:
        Zhang et al. "Top-Down Neural Attention by Excitation Backprop", ECCV 2016 (pointing game, here without
        its tolerance of 15 pixels). https://arxiv.org/abs/1608.00507
        Arras, Osman, Samek. "CLEVR-XAI", Information Fusion 2022, section 3.3 (mass and rank).
        https://arxiv.org/abs/2003.07258
    """
    return Localisation(
        pointing_game=_share_of_highest(saliency, region, 1),
        relevance_mass=relevance_mass(saliency, region),
        relevance_rank=_share_of_highest(saliency, region, int(region.sum())),
        chance=float(region.mean()),
    )


def relevance_mass(saliency: SaliencyMap, region: Region | NDArray[np.float64]) -> float | None:
    """Return the share of a map's positive sum that lies in a region.

    Args:
        saliency: ``[height, width]``, signed.
        region: Of the same size: whether each pixel belongs to it, or how much of it.

    Returns:
        In [0, 1]; None if nothing is positive.

    Examples:
        >>> relevance_mass(np.array([[3, 1, -9]], np.float32), np.array([[0.5, 1.0, 1.0]]))
        0.625
    """
    positive = np.maximum(saliency, 0).astype(np.float64)
    total = float(positive.sum())
    return float((positive * region).sum()) / total if total > 0 else None


def _share_of_highest(saliency: SaliencyMap, region: Region, count: int) -> float:
    """Expect how many of the *count* highest pixels lie in the region, if ties are drawn."""
    least = np.partition(saliency.ravel(), -count)[-count]
    above, tied = saliency > least, saliency == least
    drawn = count - int(above.sum())
    inside = float((above & region).sum()) + drawn * float((tied & region).sum()) / float(tied.sum())
    return inside / count
