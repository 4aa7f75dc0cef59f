"""Judge from a map and its standard error how far it is from where it is going."""

import numpy as np
from numpy.typing import NDArray

from service.explain.sampling import Taken

MARGIN = 0.3
"""Share of the way from the agreement that is asked for to 1 that is asked for on top: who looks again
and again stops at a lucky moment. On 80 simulated runs 0.1 let 5 to 6 % end below a goal of 0.9, 0.3 lets 2.5 %."""

_TOO_FEW = "too few to tell how near the map is to the final one"


def agreement(values: NDArray[np.floating], standard_error: NDArray[np.floating]) -> float:
    """Estimate the correlation over the pixels between a map and what it converges to.

    The variance over the pixels is that of the final map plus that of the errors, hence
    ``correlation^2 = 1 - mean(standard error^2) / variance``. Correlating two halves of the samples and
    stepping up by Spearman and Brown's formula estimates the same, but with the noise of one
    division into halves.

    Args:
        values: The map, of any shape.
        standard_error: Of the same shape.

    Returns:
        In [0, 1]. A map without error is the final one, whatever it looks like: 1. Else 0 for a constant one,
        all of which may be error.

    Examples:
        Half of the variance is error:

        >>> round(agreement(np.array([[-1.0, 1.0]]), np.full((1, 2), 0.5**0.5)), 3)
        0.707

        Behind a dead ReLU every sample's gradient is 0:

        >>> agreement(np.zeros((1, 2)), np.zeros((1, 2)))
        1.0

    References:
        Lord, Novick. "Statistical Theories of Mental Test Scores", 1968, chapter 3: the index of reliability.
    """
    variance = float(np.var(values, dtype=np.float64))
    error = float(np.mean(np.square(standard_error, dtype=np.float64)))
    if error == 0:
        return 1.0
    return float(np.sqrt(max(0.0, 1 - error / variance))) if variance > 0 else 0.0


def suffices(reached: float, goal: float | None) -> bool:
    """Say whether an estimated agreement is enough to stop at; without a goal nothing is.

    Examples:
        >>> suffices(0.96, goal=0.95), suffices(0.97, goal=0.95)
        (False, True)
    """
    return goal is not None and reached >= goal + MARGIN * (1 - goal)


def judge(
    taken: Taken, reached: float, goal: float | None, what: str, *, fewest: int = 0
) -> tuple[bool, tuple[str, ...]]:
    """Say whether a map has converged, and what its reader must know if not.

    Args:
        taken: What it was made from.
        reached: Its estimated agreement with the final map.
        goal: The agreement that was asked for; None if it was all samples.
        what: What the samples are, for the warning.
        fewest: From fewer samples the agreement is not believed.

    Examples:
        >>> judge(Taken(9, 9), 0.8, 0.95, "masks")
        (False, ('agreement with the final map is about 0.80 after 9 masks; raise masks for more',))

        One that was stopped, and is good enough all the same, is not the one that would have been made:

        >>> judge(Taken(7, 9, "deadline"), 0.99, 0.95, "masks")
        (True, ('deadline: 7 of 9 masks were used; they suffice for the agreement that was asked for',))
    """
    believed = taken.done >= fewest
    if believed and suffices(reached, goal):
        enough = f"{taken.done} of {taken.asked} {what} were used; they suffice for the agreement that was asked for"
        return True, (f"{taken.stopped_by}: {enough}",) if taken.stopped_by else ()
    if goal is None and not taken.stopped_by:
        return True, ()
    about = f"agreement with the final map is about {reached:.2f}" if believed else _TOO_FEW
    if taken.stopped_by:
        return False, (f"{taken.stopped_by}: {taken.done} of {taken.asked} {what} were used; {about}",)
    return False, (f"{about} after {taken.asked} {what}; raise {what} for more",)
