"""Cover the image at random, many times, and see what the good answers have in common."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from service.errors import OptionError
from service.explain.convergence import judge, suffices
from service.explain.explanation import Explanation
from service.explain.grid_masks import GridMasks
from service.explain.method import Baseline, Method, Parameters, Scalar
from service.explain.rise_estimators import Name
from service.explain.rise_map import RiseMap
from service.explain.sampling import sample
from service.explain.subject import Subject
from service.imaging.baselines import BASELINES
from service.runtime.plan import DeadlineReached, Direction, Plan, Stage

# Fewer masks have no standard error to speak of,
_FEWEST_MASKS = 10
# and of fewer independent ones than these it is too rough to stop by.
_FEWEST_TO_STOP = 100


class RiseParameters(Parameters):
    """How many masks of which kind, and when there were enough."""

    masks: int = Field(4000, ge=_FEWEST_MASKS, le=20_000, description="Most masks.")
    agreement: float | None = Field(
        0.95,
        gt=0,
        lt=1,
        description="Stop when the map's estimated correlation with that of infinitely many masks is this; "
        "null to use all masks.",
    )
    cells: int = Field(8, ge=2, le=64, description="Cells of a mask per side.")
    keep: float = Field(0.5, gt=0, lt=1, description="The probability that a cell is kept.")
    baseline: Baseline = Field("channel_mean", description="What is shown where the image is not.")
    scalar: Scalar = Field("probability", description="What of the model's answer is explained.")
    estimator: Name = Field(
        "adjusted",
        description="How answers become a map: plain as published, or with a smaller error centred (on the mean "
        "answer) or adjusted (for a linear model of the answers; and masks come in pairs of opposites if keep is 0.5).",
    )


def plan(subject: Subject, parameters: RiseParameters) -> Plan[Explanation]:
    """Explain by how much better the answer is when random masks keep a pixel.

    The map is the scalar's mean over the masks that keep a pixel minus its mean over all masks, in units of
    the scalar (``plain``, as published, leaves the latter in). Masks are drawn until the estimated
    correlation with the map of infinitely many reaches *agreement* plus a margin; at a deadline the masks so
    far count, and ``converged`` is false.

    Raises:
        OptionError: There are more cells than pixels.

    References:
        Petsiuk, Das, Saenko. "RISE", BMVC 2018, section 3. https://arxiv.org/abs/1806.07421
    """
    model = subject.model
    check(model.height, model.width, parameters)
    masks = GridMasks.draw(
        model.height,
        model.width,
        cells=parameters.cells,
        keep=parameters.keep,
        count=parameters.masks,
        seed=subject.seed,
        paired=parameters.keep == 0.5 and parameters.estimator == "adjusted",  # noqa: PLR2004 - one half
    )
    estimate, goal = RiseMap(masks, parameters.estimator), parameters.agreement

    def settled(values: NDArray[np.float64]) -> bool:
        believed = estimate.independent(len(values)) >= _FEWEST_TO_STOP
        return believed and suffices(estimate.agreement(values), goal)

    samples = yield from sample(
        subject,
        covered(subject, masks, parameters.baseline),
        len(masks),
        scalar=parameters.scalar,
        settled=None if goal is None else settled,
    )
    if len(samples.values) < _FEWEST_MASKS:
        raise DeadlineReached
    values, error = estimate.map(samples.values)
    reached = estimate.agreement(samples.values)
    fewest = _FEWEST_TO_STOP * len(masks) // estimate.independent(len(masks))
    converged, warnings = judge(samples.taken, reached, goal, "masks", fewest=fewest)
    return Explanation(
        map=values,
        forwards=len(samples.values),
        converged=converged,
        standard_error=error,
        warnings=warnings,
    )


def check(height: int, width: int, parameters: RiseParameters) -> None:
    """Refuse cells smaller than a pixel.

    Raises:
        OptionError: As stated.
    """
    if parameters.cells > min(height, width):
        raise OptionError(
            f"cells is {parameters.cells} per side; the model's input is {width} x {height} pixels. "
            f"Choose at most {min(height, width)}.",
            where="options.cells",
        )


def covered(subject: Subject, masks: GridMasks, baseline: Baseline) -> Callable[[slice], Stage]:
    """Say how the device makes the images of some of the masks."""
    model = subject.model
    fixed = {
        "image": subject.image,
        "baseline": model.device.upload(BASELINES[baseline](subject.pixels)[None]),
        "rows": model.device.upload(masks.rows.astype(np.float32)),
        "columns": model.device.upload(masks.columns.astype(np.float32)),
    }

    def images(chunk: slice) -> Stage:
        chosen = {"grids": masks.grids[chunk].astype(np.float32), "shifts": masks.shifts[chunk]}
        return Stage(model.programs.shifted_grids, {**fixed, **chosen})

    return images


def _forwards(height: int, width: int, parameters: RiseParameters) -> int:
    check(height, width, parameters)
    return parameters.masks


METHOD = Method(
    name="rise",
    summary="What the good answers to randomly covered images have in common; needs no gradient.",
    parameters=RiseParameters,
    direction=Direction.FORWARD,
    forwards=_forwards,
    plan=plan,
    seeded=True,
    least=lambda _height, _width, _parameters: _FEWEST_MASKS,
)
