"""How disordered a map is, and by how much more it is once the network knows nothing."""

import numpy as np

from service.arrays import SaliencyMap

BINS = 100
"""As many as the authors' implementation takes by default."""


def histogram_entropy(values: SaliencyMap) -> float:
    """Entropy of the histogram of a map's values, in nats: 0 if all are equal, at most log(bins).

    Args:
        values: Signed, in any unit: the bins divide its own range.

    Examples:
        >>> round(histogram_entropy(np.array([[0.0, 0.0, 1.0, 1.0]], np.float32)), 3)
        0.693
    """
    counts, _ = np.histogram(values.astype(np.float64), BINS)
    share = counts[counts > 0] / counts.sum()
    return abs(float(-(share * np.log(share)).sum()))


def relative_rise(trained: SaliencyMap, blank: SaliencyMap) -> float | None:
    """Relative rise of the entropy from a network's map to that of the same network fully randomised.

    Returns:
        ``(entropy(blank) - entropy(trained)) / entropy(trained)``; None where the trained network's map is the
        same everywhere and has no entropy to compare with.

    Examples:
        >>> two, four = np.array([[0.0, 1.0, 0.0, 1.0]]), np.array([[0.0, 1.0, 2.0, 3.0]])
        >>> relative_rise(two, four), relative_rise(two, two)
        (1.0, 0.0)

    References:
        Hedström et al. "Sanity Checks Revisited: An Exploration to Repair the Model Parameter Randomisation Test",
        2024, section 4.2. https://arxiv.org/abs/2401.06465
    """
    before = histogram_entropy(trained)
    return None if before == 0 else (histogram_entropy(blank) - before) / before
