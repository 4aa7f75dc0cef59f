"""What every attribution method states about itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from service.explain.explanation import Explanation
from service.explain.subject import Subject
from service.runtime.model import LoadedModel
from service.runtime.plan import Direction, Plan

Baseline: TypeAlias = Literal["black", "channel_mean", "gaussian_blur"]
"""What is shown where the image is not; see :mod:`service.imaging.baselines`."""

Scalar: TypeAlias = Literal["logit", "probability"]
"""What of the model's answer is explained."""


class Parameters(BaseModel):
    """Base of a method's own options; unknown names and non-finite numbers are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @property
    def made_with(self) -> tuple[str, ...]:
        """Names of the baselines that the method shows in place of the image.

        A removal operator of the same name judges such a map in a circle.
        """
        told = self.model_dump(include={"baseline", "baselines"})
        return (told["baseline"],) if "baseline" in told else tuple(told.get("baselines", ()))


@dataclass(frozen=True, slots=True)
class Method:
    """An attribution method.

    Args:
        name: As callers write it.
        summary: One sentence for people who choose.
        parameters: The class of its options, with defaults.
        direction: The graph of the model that it needs.
        forwards: States its cost in passes beforehand, from the model's height and width and the parameters.
        plan: Explains a subject.
        least: States the fewest passes that it can answer with when it is ended early; None if it needs all.
        seeded: Whether its map depends on the seed, and not only the order in which it is made.
        price: States what one of its passes costs in forward passes, where that is not what one of *direction* costs.
        caution: What every reader of such a map must be told; empty if nothing.
    """

    name: str
    summary: str
    parameters: type[Parameters]
    direction: Direction
    forwards: Callable[[int, int, Any], int]
    plan: Callable[[Subject, Any], Plan[Explanation]]
    least: Callable[[int, int, Any], int] | None = None
    seeded: bool = False
    price: Callable[[LoadedModel, Any], float] | None = None
    caution: str = ""
