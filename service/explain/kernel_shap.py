"""Share the change of the answer from baseline to image out among the superpixels by Shapley's rule."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from service.explain.coalitions import (
    CoalitionParameters,
    Coalitions,
    Estimate,
    check_parts,
    cut,
    paint_explanation,
    painted_agreement,
    play,
)
from service.explain.convergence import suffices
from service.explain.explanation import Explanation
from service.explain.method import Method, Scalar
from service.explain.sampling import ask
from service.explain.shapley import draw_coalitions, every_coalition, fit_shapley, kernel_weights
from service.explain.subject import Subject
from service.imaging.baselines import BASELINES
from service.runtime.plan import Direction, Plan

# The image and the baseline themselves.
_ENDS = 2


class KernelShapParameters(CoalitionParameters):
    """Those of coalitions, and the scalar that is shared out."""

    scalar: Scalar = Field("logit", description="What of the model's answer is shared out.")


@dataclass(frozen=True, slots=True)
class _Game:
    """The coalitions to try, and what nobody and everybody are worth."""

    coalitions: Coalitions
    is_whole: bool
    empty: float
    full: float

    def solve(self, values: NDArray[np.float64]) -> Estimate:
        """Estimate the Shapley values from the first coalitions."""
        tried = self.coalitions[: len(values)]
        weights = kernel_weights(tried) if self.is_whole else None
        estimate = fit_shapley(tried, values, empty=self.empty, full=self.full, weights=weights)
        if self.is_whole and len(tried) < len(self.coalitions):
            return replace(estimate, standard_error=None)  # those that are missing are no random choice
        return estimate


def plan(subject: Subject, parameters: KernelShapParameters) -> Plan[Explanation]:
    """Explain by the Shapley values of the game in which superpixels join the image.

    A superpixel's value is by how much showing it raises the scalar, averaged over all orders in which the
    superpixels could appear on the baseline; the values add up to the whole change exactly. If there are no
    more coalitions than *samples*, all are tried and the values are exact; else coalitions are drawn in
    pairs until the values have settled.

    Raises:
        OptionError: There are more superpixels than pixels.

    References:
        Lundberg, Lee. "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017, section 4.1.
        https://arxiv.org/abs/1705.07874
        Covert, Lee. "Improving KernelSHAP", AISTATS 2021. https://arxiv.org/abs/2012.01536
    """
    segments = cut(subject, parameters)
    baseline = subject.model.device.upload(BASELINES[parameters.baseline](subject.pixels)[None])
    players = int(segments.max()) + 1
    is_whole = 2**players - _ENDS <= parameters.samples
    game = _Game(
        every_coalition(players) if is_whole else draw_coalitions(players, parameters.samples, subject.seed),
        is_whole,
        empty=(yield from ask(subject, baseline, parameters.scalar)),
        full=(yield from ask(subject, subject.image, parameters.scalar)),
    )
    samples = yield from play(
        subject,
        segments,
        game.coalitions,
        replacement=baseline,
        scalar=parameters.scalar,
        settled=lambda values: suffices(
            painted_agreement(game.solve(values), segments), parameters.agreement
        ),
    )
    return paint_explanation(
        game.solve(samples.values),
        segments,
        samples,
        goal=None if is_whole else parameters.agreement,
        forwards=_ENDS + len(samples.values),
    )


def _forwards(height: int, width: int, parameters: KernelShapParameters) -> int:
    check_parts(height, width, parameters)
    return _ENDS + parameters.samples


METHOD = Method(
    name="kernel_shap",
    summary="The classifier's answer shared out among superpixels by Shapley's rule; needs no gradient.",
    parameters=KernelShapParameters,
    direction=Direction.FORWARD,
    forwards=_forwards,
    plan=plan,
    seeded=True,
    least=lambda _height, _width, _parameters: _ENDS + 2,
)
