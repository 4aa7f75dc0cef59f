"""What chance alone achieves on the same image, and how far from it a map is.

The yardstick is a random order of the cells, and what is compared is the area between the two curves
of an order, in log-odds. Its mean under chance is exactly 0: an order and its reverse are equally
likely, and reversing an order negates it. So nothing is spent on estimating a mean, and K random
orders estimate the deviation with K (not K - 1) degrees of freedom. The area is an average over many
images of what many cells do, hence close to normal, and the ratio of one more random order's area to
that deviation follows Student's t with K degrees of freedom.

What this yardstick does not hold still is the smoothness of a map. A blob that falls on the object by
luck beats random orders of small cells as clearly as a map that knows the model.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def student_t_tail(t: float, degrees_of_freedom: int) -> float:
    """Return the probability that Student's t exceeds *t*.

    Args:
        t: Any real number.
        degrees_of_freedom: A positive whole number, for which the integral is a finite sum.

    Examples:
        One degree of freedom is the Cauchy distribution, of which a quarter lies beyond 1:

        >>> round(student_t_tail(1.0, 1), 12)
        0.25

    References:
        Abramowitz, Stegun. "Handbook of Mathematical Functions", 1964, formulas 26.7.3 and 26.7.4.
    """
    angle = math.atan(abs(t) / math.sqrt(degrees_of_freedom))
    odd = degrees_of_freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for step in range(2 + odd, degrees_of_freedom + 1, 2):
        total += term
        term *= math.cos(angle) ** 2 * (step - 1) / step
    within = math.sin(angle) * total
    if odd:
        within = (angle + within) * 2 / math.pi
    tail = max(0.0, (1 - within) / 2)
    return tail if t >= 0 else 1 - tail


LEAST_DEVIATION = 0.1
"""In log-odds: chance is never taken to stray less, lest a gain of no account look many deviations large.

It would where a few random orders all leave the target below the least probability that counts.
"""


@dataclass(frozen=True, slots=True)
class Chance:
    """What random orders achieve.

    Args:
        gains: ``[K]``: the log-odds SRG of each random order.
    """

    gains: NDArray[np.float64]

    @property
    def degrees_of_freedom(self) -> int:
        """K: the mean is known to be 0."""
        return len(self.gains)

    @property
    def deviation(self) -> float:
        """Root mean square of the random orders' gains: how far chance alone strays from 0.

        Examples:
            >>> Chance(np.array([0.3, -0.4])).deviation.__round__(3)
            0.354
        """
        return max(LEAST_DEVIATION, float(np.sqrt(np.mean(self.gains**2))))

    def z_score(self, gain: float) -> float:
        """Count in how many deviations a gain lies above chance."""
        return gain / self.deviation

    def p_value(self, gain: float) -> float:
        """Return how often one more random order would do at least as well: one-sided Student's t."""
        return student_t_tail(self.z_score(gain), self.degrees_of_freedom)

    def percentile(self, gain: float) -> float:
        """Say how many random orders do worse, in percent; ties count half.

        Each order counts twice, as itself and reversed.

        Examples:
            >>> Chance(np.array([0.3, -0.4])).percentile(0.35)
            75.0
        """
        both = np.concatenate([self.gains, -self.gains])
        return float(100 * (np.mean(both < gain) + np.mean(both == gain) / 2))


def pool(parts: Sequence[Chance]) -> tuple[float, int]:
    """Estimate by how much chance moves the mean gain of several operators, each with orders of its own.

    How strongly the operators agree on random orders is not measured: that would take the same
    orders for all, and then the operators would not add up to more degrees of freedom. It is
    bounded instead: a mean strays most when its terms move together, and then by the mean of
    their deviations.

    Args:
        parts: One per operator.

    Returns:
        The bound, and its degrees of freedom: those of all operators if they stray alike, fewer if one
        dominates (Welch and Satterthwaite's rule for a sum of deviations, rounded down).

    Examples:
        >>> alike = Chance(np.array([0.5, -0.5]))
        >>> deviation, degrees_of_freedom = pool([alike, alike])
        >>> round(deviation, 6), degrees_of_freedom
        (0.5, 4)
    """
    deviations = np.array([part.deviation for part in parts])
    uncertainty = sum(part.deviation**2 / part.degrees_of_freedom for part in parts)
    # Equal parts give a whole number exactly; rounding must not make it the next lower one.
    return float(deviations.mean()), math.floor(deviations.sum() ** 2 / uncertainty + 1e-9)
