"""Cross-entropy, what every arm is held against."""

from collections.abc import Iterator

from training.arms.situation import TRAINED, Outcome, Situation
from training.objective import cross_entropy


def standard(now: Situation) -> Iterator[Outcome]:
    """Cross-entropy on the images as they are."""
    yield Outcome(cross_entropy(now.model(now.images), now.labels), TRAINED)
