"""Whether an image from which everything was removed says nothing to the model."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

_SURE = 0.75
"""From which probability on something that is either so or not is said to be so."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What the model sees in an image that is all replacement.

    Args:
        predicted_class: Index of the most probable class.
        largest_probability: Of that class.
        entropy_share: Entropy of the probabilities over its maximum: 1 says nothing, 0 is certain.
        target_probability: What is left for the explained scalar.
        neutral: Whether no class stands out and the target is not among the winners.
    """

    predicted_class: int
    largest_probability: float
    entropy_share: float
    target_probability: float
    neutral: bool


def audit(
    logits: NDArray[np.float32],
    *,
    target_probability: float,
    clear_probability: float,
    even_probability: float,
    task: Literal["single_label", "multi_label"],
) -> Audit:
    """Judge the model's answer to the fully removed image.

    A baseline is *not neutral for this model* if one class holds most of the probability (more
    than one half; with two classes, where one half is nothing, more than three quarters), or if the
    target keeps more than a tenth of the probability that the whole image gives it and more than
    twice its even share (three quarters where that is one half, as of a contrast).

    Args:
        logits: ``[C]`` of the fully removed image.
        target_probability: Of the explained scalar on that image.
        clear_probability: Of the explained scalar on the whole image.
        even_probability: Of the explained scalar where all logits are equal.
        task: Whether the classes exclude one another.

    Examples:
        >>> even = audit(
        ...     np.zeros(4, np.float32),
        ...     target_probability=0.25,
        ...     clear_probability=0.9,
        ...     even_probability=0.25,
        ...     task="single_label",
        ... )
        >>> even.neutral, even.entropy_share
        (True, 1.0)
    """
    wide = logits.astype(np.float64)
    count = len(wide)
    if task == "single_label":
        exponentials = np.exp(wide - wide.max())
        probabilities = exponentials / exponentials.sum()
        entropy_share = _entropy(probabilities) / np.log(count)
        certain = max(0.5, 1.5 / count)
    else:
        probabilities = 1 / (1 + np.exp(-wide))
        each = [_entropy(np.array([p, 1 - p])) for p in probabilities]
        entropy_share = float(np.mean(each)) / np.log(2)
        certain = _SURE
    largest = float(probabilities.max())
    speaks_for_target = target_probability > max(min(2 * even_probability, _SURE), 0.1 * clear_probability)
    return Audit(
        predicted_class=int(probabilities.argmax()),
        largest_probability=largest,
        entropy_share=float(entropy_share),
        target_probability=target_probability,
        neutral=largest <= certain and not speaks_for_target,
    )


def _entropy(probabilities: NDArray[np.float64]) -> float:
    present = probabilities[probabilities > 0]
    return float(-(present * np.log(present)).sum())
