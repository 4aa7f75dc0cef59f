"""Ask the model about images with parts removed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.faithfulness.curve import Removed
from service.faithfulness.operators.operator import Removal
from service.faithfulness.subject import ScoredSubject
from service.runtime.plan import Direction, MicroBatch, Plan


@dataclass(frozen=True, slots=True)
class Answers:
    """What the model says of the explained scalar, one entry per image.

    Args:
        probability: ``[N]``, in [0, 1]; what curves are drawn of.
        logit: ``[N]``; what magnitudes are compared with, because it does not saturate.
    """

    probability: NDArray[np.float64]
    logit: NDArray[np.float64]


def answers(subject: ScoredSubject, removal: Removal, removed: Removed) -> Plan[Answers]:
    """Classify one image per row of *removed*, in micro-batches.

    Args:
        subject: What is explained.
        removal: Makes the images.
        removed: ``[N, cells]``.
    """
    size = subject.model.micro_batch(Direction.FORWARD)
    probability: list[NDArray[np.float32]] = []
    logit: list[NDArray[np.float32]] = []
    for start in range(0, len(removed), size):
        chunk = removed[start : start + size]
        answer = yield MicroBatch(removal(chunk), len(chunk), answer=subject.scalars)
        probability.append(answer["probability"].numpy())
        logit.append(answer["logit"].numpy())
    return Answers(np.concatenate(probability, dtype=np.float64), np.concatenate(logit, dtype=np.float64))
