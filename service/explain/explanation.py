"""What an explanation method returns."""

from dataclasses import dataclass

import numpy as np

from service.arrays import SaliencyMap
from service.errors import ExplanationError


@dataclass(frozen=True, slots=True)
class Explanation:
    """A saliency map and what it took.

    Args:
        map: ``[H, W]`` at the model's input size, signed: larger is more evidence for the target.
        forwards: Forward passes spent, those of gradients included.
        converged: False if a deadline, a budget or a bound on steps ended the method early.
        standard_error: ``[H, W]`` of the map, for methods that average samples.
        completeness_gap: Sum of the map minus the change of the scalar that it should equal, in
            logits, for methods that promise completeness.
        fidelity: Share of the variance of the model's answers that the map explains (R^2, by the method's
            own weights), for methods that fit a model of the model.
        warnings: What a reader of the map must know.
    """

    map: SaliencyMap
    forwards: int
    converged: bool = True
    standard_error: SaliencyMap | None = None
    completeness_gap: float | None = None
    fidelity: float | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a map that is not finite, before anything is drawn or scored from it.

        Raises:
            ExplanationError: The map holds NaN or infinity.
        """
        if not np.isfinite(self.map).all():
            count = int(np.size(self.map) - np.isfinite(self.map).sum())
            raise ExplanationError(
                f"{count} of {self.map.size} pixels of the map are not finite. The model's logits or gradients "
                "overflow on this image; try another method."
            )
