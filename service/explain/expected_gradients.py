"""Integrated gradients averaged over several baselines."""

from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from service.explain import integrated_gradients
from service.explain.explanation import Explanation
from service.explain.integrated_gradients import IntegratedGradientsParameters
from service.explain.method import Method, Parameters
from service.explain.subject import Subject
from service.runtime.plan import DeadlineReached, Direction, Plan
from service.runtime.spent import Spent, counted

_Baseline = Literal["black", "channel_mean", "gaussian_blur"]


def _split(value: object) -> object:
    """A form field can only hold text: ``black,channel_mean``."""
    return tuple(value.split(",")) if isinstance(value, str) else value


class ExpectedGradientsParameters(Parameters):
    """The baselines to average over, and the points on each path."""

    baselines: Annotated[tuple[_Baseline, ...], BeforeValidator(_split)] = Field(
        ("black", "channel_mean", "gaussian_blur"),
        min_length=1,
        description="Where the paths start; in a form field, separated by commas.",
    )
    steps: int = Field(50, ge=1, le=2000, description="Points on each path (midpoint rule).")
    maximum_steps: int = Field(150, ge=1, le=2000, description="Bound of the refinement of each path.")
    relative_gap: float = Field(0.05, gt=0, description="Largest tolerated completeness gap of each path.")


def plan(subject: Subject, parameters: ExpectedGradientsParameters) -> Plan[Explanation]:
    """Explain by the mean of integrated gradients over *baselines*, so that no single one decides.

    The map sums to the logit less its mean over the baselines. The paper draws baselines from the
    training data; a bundle holds none, so they are the usual blank pictures instead.

    References:
        Erion et al. "Improving performance of deep learning models with axiomatic attribution priors and
        expected gradients", Nature Machine Intelligence 3, 2021, section 2. https://arxiv.org/abs/1906.10670
    """
    parts: list[Explanation] = []
    spent = Spent()
    cut_short: tuple[str, ...] = ()
    try:
        for baseline in parameters.baselines:
            path = IntegratedGradientsParameters(
                baseline=baseline, **parameters.model_dump(exclude={"baselines"})
            )
            parts.append((yield from counted(integrated_gradients.plan(subject, path), spent)))
    except DeadlineReached as signal:
        if not parts:
            raise
        cut_short = (f"{signal.reason}: {len(parts)} of {len(parameters.baselines)} baselines were used",)
    return Explanation(
        map=np.stack([part.map for part in parts]).mean(axis=0, dtype=np.float64).astype(np.float32),
        forwards=spent.forwards,  # those of a path that was broken off, too
        converged=not cut_short and all(part.converged for part in parts),
        completeness_gap=float(np.mean([part.completeness_gap or 0.0 for part in parts])),
        warnings=(*(warning for part in parts for warning in part.warnings), *cut_short),
    )


def _forwards(height: int, width: int, parameters: ExpectedGradientsParameters) -> int:
    path = IntegratedGradientsParameters(**parameters.model_dump(exclude={"baselines"}))
    return len(parameters.baselines) * integrated_gradients.METHOD.forwards(height, width, path)


METHOD = Method(
    name="expected_gradients",
    summary="Integrated gradients averaged over several baselines, so that no single one decides.",
    parameters=ExpectedGradientsParameters,
    direction=Direction.GRADIENT,
    forwards=_forwards,
    plan=plan,
)
