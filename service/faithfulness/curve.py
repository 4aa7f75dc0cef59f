"""What becomes of the target when more and more of the image is removed."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.faithfulness.order import Order

Removed: TypeAlias = NDArray[np.bool_]
"""``[N, cells]``: row n says which cells are removed in image n."""

Curve: TypeAlias = NDArray[np.float64]
"""``[steps + 1]``: the target's probability, from the whole image to none of it."""


def removal_counts(cells: int, steps: int) -> NDArray[np.int64]:
    """Spread *steps* equal strides over the cells, as nearly as whole cells allow.

    Returns:
        ``[steps + 1]`` numbers of removed cells, from 0 to *cells*, without repetition: a grid of
        fewer cells than steps has a shorter curve.

    Examples:
        >>> removal_counts(196, 4).tolist()
        [0, 49, 98, 147, 196]
        >>> removal_counts(2, 4).tolist()
        [0, 1, 2]
    """
    return np.unique(np.rint(np.linspace(0, cells, steps + 1)).astype(np.int64))


def partly_removed(order: Order, steps: int) -> Removed:
    """List the images strictly between the whole one and the empty one, when removed in *order*.

    Returns:
        ``[steps - 1, cells]``.

    Examples:
        >>> partly_removed(np.array([2, 0, 1]), 3).astype(int)
        array([[0, 0, 1],
               [1, 0, 1]])
    """
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[None, :] < removal_counts(len(order), steps)[1:-1, None]


LEAST_PROBABILITY = 0.001
"""Smaller probabilities count as this one, and those above 1 minus it as that: neither is news to anybody."""


def log_odds(probability: Curve) -> Curve:
    """Return ``log(p / (1 - p))``, within the odds of one in a thousand either way.

    It is the target's logit where the logits are sigmoids or a contrast, and for a softmax the target's logit minus
    the soft maximum of all others.

    Examples:
        >>> log_odds(np.array([0.5, 0.0])).round(2)
        array([ 0.  , -6.91])
    """
    within = np.clip(probability, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    odds: Curve = np.log(within) - np.log1p(-within)
    return odds


def area_under(curve: Curve, cells: int) -> float:
    """Integrate a curve over the removed fraction of the image by the trapezoid rule.

    Args:
        curve: ``[steps + 1]`` values.
        cells: Of the grid; gives the exact removed fraction at each step.

    Returns:
        The mean height of the curve: in [0, 1] for probabilities, whatever the number of steps.

    Examples:
        >>> area_under(np.array([1.0, 0.5, 0.0]), cells=2)
        0.5
    """
    fraction = removal_counts(cells, len(curve) - 1) / cells
    return float(np.trapezoid(curve, fraction))


@dataclass(frozen=True, slots=True)
class CurvePair:
    """One order of the cells, followed from both ends.

    Args:
        morf: Most relevant first. A faithful map makes it fall at once.
        lerf: Least relevant first. A faithful map keeps it up to the end.
        cells: Of the grid.
    """

    morf: Curve
    lerf: Curve
    cells: int

    @property
    def auc_morf(self) -> float:
        """Area under the MoRF curve; lower is better."""
        return area_under(self.morf, self.cells)

    @property
    def auc_lerf(self) -> float:
        """Area under the LeRF curve; higher is better."""
        return area_under(self.lerf, self.cells)

    @property
    def srg(self) -> float:
        """Symmetric relevance gain: the area between the curves; 0 is what chance achieves on average.

        Reversing the order swaps the two curves and so exactly negates it.

        References:
            Blücher, Vielhaben, Strodthoff. "Decoupling Pixel Flipping and Occlusion Strategy for Consistent XAI
            Benchmarks", TMLR 2024, section 3. https://arxiv.org/abs/2401.06654
        """
        return self.auc_lerf - self.auc_morf

    @property
    def log_odds_srg(self) -> float:
        """The area between the curves' log-odds: what is compared with chance.

        Under random orders probabilities often fall to nothing at once, and their SRG is then now and then
        large and mostly next to nothing, far from a normal distribution. In log-odds it is close to one.
        """
        return area_under(log_odds(self.lerf), self.cells) - area_under(log_odds(self.morf), self.cells)
