"""How much a map changes when the image hardly does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from service.arrays import Image, Logits, SaliencyMap
from service.explain.explanation import Explanation
from service.faithfulness.streams import stream
from service.faithfulness.subject import ScoredSubject
from service.runtime.plan import MicroBatch, Plan

DRAWS = 5
"""Images near the given one; each costs a map of its own."""

RADIUS = 0.02
"""Of the ball, in l-infinity, on images in [0, 1]: about five grey levels. Captum's default."""

LEAST_MAGNITUDE = 0.01
"""Share of a map's largest magnitude that every pixel is taken to have at least when changes are divided by it.

The published formula divides by whatever is there, and is decided by the pixel that is nearest to zero.
"""

Explain = Callable[[Image], Plan[Explanation]]
"""Makes a map of another image in the way in which the given map was made: same target, same seed."""


@dataclass(frozen=True, slots=True)
class Stability:
    """The largest changes over a few draws: lower bounds of the largest there are.

    Args:
        max_sensitivity: ``|map' - map| / |map|`` in the Euclidean norm; 0 is perfectly stable; None for a map of zeros.
        relative_output_stability: Relative change of the map over the change of the logits, both Euclidean; draws
            that change the predicted class do not count. None if all do.
        label_changes: Draws that change the predicted class.
        draws: Images that were tried.
        radius: Of the l-infinity ball they were drawn from.
        forwards: Forward passes spent.
    """

    max_sensitivity: float | None
    relative_output_stability: float | None
    label_changes: int
    draws: int
    radius: float
    forwards: int


def nearby(pixels: Image, seed: int) -> list[Image]:
    """Draw images uniformly from the ball around one, held within [0, 1].

    Returns:
        :data:`DRAWS` images.
    """
    random = stream(seed, "stability")
    noise = random.uniform(-RADIUS, RADIUS, (DRAWS, *pixels.shape)).astype(np.float32)
    return list(np.clip(pixels + noise, 0, 1))


def max_sensitivity(saliency: SaliencyMap, others: Sequence[SaliencyMap]) -> float | None:
    """Return the largest relative change of a map.

    Returns:
        0 or more; None for a map of zeros.

    Examples:
        >>> max_sensitivity(np.array([[3, 4]], np.float32), [np.array([[3, 9]], np.float32)])
        1.0

    References:
        Yeh et al. "On the (In)fidelity and Sensitivity of Explanations", NeurIPS 2019, definition 4.1.
        https://arxiv.org/abs/1901.09392
    """
    wide = saliency.astype(np.float64)
    size = float(np.linalg.norm(wide))
    return max(float(np.linalg.norm(other - wide)) for other in others) / size if size > 0 else None


def relative_output_stability(
    saliency: SaliencyMap,
    others: Sequence[SaliencyMap],
    logits: Logits,
    other_logits: Sequence[Logits],
) -> float | None:
    """Return the largest relative change of a map over the change of the logits.

    Args:
        saliency: ``[height, width]``.
        others: Maps of images near by.
        logits: ``[classes]``.
        other_logits: Of the images near by.

    Returns:
        0 or more, per unit of logit; None for a map of zeros, or if no draw that kept the predicted class moved
        the logits.

    Examples:
        >>> here, near = np.array([[2, 4]], np.float32), np.array([[3, 4]], np.float32)
        >>> relative_output_stability(here, [near], np.array([1, 0]), [np.array([1.25, 0])])
        2.0

    References:
        Agarwal et al. "Rethinking Stability for Attribution-based Explanations", 2022, equation 5.
        https://arxiv.org/abs/2203.06877
    """
    wide = saliency.astype(np.float64)
    largest = np.abs(wide).max()
    if largest == 0:
        return None
    magnitude = np.maximum(np.abs(wide), LEAST_MAGNITUDE * largest)
    ratios = []
    for other, moved in zip(others, other_logits, strict=True):
        distance = float(np.linalg.norm(moved.astype(np.float64) - logits))
        if moved.argmax() == logits.argmax() and distance > 0:
            ratios.append(float(np.linalg.norm((other - wide) / magnitude)) / distance)
    return max(ratios, default=None)


def stability_plan(
    subject: ScoredSubject, saliency: SaliencyMap, logits: Logits, explain: Explain
) -> Plan[Stability]:
    """Explain images near by and compare.

    Args:
        subject: What is explained.
        saliency: Its map.
        logits: ``[classes]`` of the image.
        explain: Makes a map of another image.
    """
    maps, answers, spent = [], [], 0
    for pixels in nearby(subject.pixels, subject.seed):
        answer = yield MicroBatch(subject.model.device.upload(pixels[None]), 1)
        answers.append(answer["logits"].numpy()[0])
        explanation = yield from explain(pixels)
        maps.append(explanation.map)
        spent += 1 + explanation.forwards
    return Stability(
        max_sensitivity=max_sensitivity(saliency, maps),
        relative_output_stability=relative_output_stability(saliency, maps, logits, answers),
        label_changes=sum(bool(moved.argmax() != logits.argmax()) for moved in answers),
        draws=DRAWS,
        radius=RADIUS,
        forwards=spent,
    )
