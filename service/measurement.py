"""An evaluation request after everything that can be checked before any work was."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from service.arrays import Picture, SaliencyMap
from service.errors import BudgetError
from service.faithfulness.measures.cost import measured_forwards
from service.faithfulness.protocol import PROTOCOLS, Protocol
from service.faithfulness.resolution import at_resolution
from service.imaging.resize import Box
from service.request import EvaluateOptions
from service.runtime.model import LoadedModel
from service.runtime.tally import Work
from service.target import check_contrast, check_top_k, class_index


@dataclass(frozen=True, slots=True)
class Measurement:
    """What to measure for one evaluation request.

    Args:
        map: ``[H, W]`` at the model's input size, finite.
        target: Class index; None until the prediction is known.
    """

    model: LoadedModel
    options: EvaluateOptions
    map: SaliencyMap
    protocol: Protocol
    target: int | None
    contrast: int | None

    @classmethod
    def checked(cls, model: LoadedModel, options: EvaluateOptions, saliency: NDArray[np.generic]) -> Self:
        """Check a request against the model.

        Raises:
            MapError: The map cannot be scored.
            OptionError: An option is unknown or out of range.
            BudgetError: The receipt may need more forward passes than the request allows.
        """
        check_top_k(model, options.top_k)
        measurement = cls(
            model=model,
            options=options,
            map=at_resolution(saliency, model.height, model.width),
            protocol=PROTOCOLS[options.receipt],
            target=class_index(model, options.target, "target"),
            contrast=class_index(model, options.contrast, "contrast"),
        )
        check_contrast(measurement.target, measurement.contrast)
        measurement._check_budget()
        return measurement

    @property
    def cost_forwards(self) -> int:
        """The whole request in forward passes: one to classify, the others for the receipt and its measures."""
        return 1 + self.protocol.forwards + self.measure_forwards

    @property
    def measure_forwards(self) -> int:
        """Forward passes of what is measured beside the receipt."""
        return measured_forwards(self.protocol, self.options.measures)

    @property
    def stages(self) -> Mapping[str, Work]:
        """What each stage may take, in order."""
        receipt = self.protocol.forwards
        stages = {"predict": Work(1, 1), "receipt": Work(receipt, receipt)}
        if self.options.measures:
            stages["measures"] = Work(self.measure_forwards, self.measure_forwards)
        return stages

    @property
    def least_cost_forwards(self) -> int:
        """What a deadline must leave time for: a receipt can be cut short after its first operator."""
        return 2 + (self.protocol.forwards - 1) // len(self.protocol.operators)

    def _check_budget(self) -> None:
        limit = self.options.max_forwards
        if limit is not None and self.cost_forwards > limit:
            raise BudgetError(
                f"receipt={self.options.receipt} with its measures may need {self.cost_forwards} forward passes, "
                f"1 to classify among them; max_forwards is {limit}. Raise it, or choose a cheaper receipt.",
                where="options.max_forwards",
            )


def doubts(picture: Picture, saliency: NDArray[np.generic], seen: Box) -> tuple[str, ...]:
    """Say so if a map looks as if it covered the whole picture, of which the model sees only a part.

    Args:
        picture: As decoded.
        saliency: As it was brought.
        seen: What the model sees, and what the map is taken to cover.
    """
    height, width = picture.shape[:2]
    whole = (seen.left, seen.top, seen.width, seen.height) == (0, 0, width, height)
    if whole or saliency.shape != (height, width):
        return ()
    warning = (
        f"the map has the picture's size, {width} x {height}, but is taken to cover picture.seen only, "
        "which is what the model sees. If it covers the whole picture, crop it to picture.seen."
    )
    return (warning,)
