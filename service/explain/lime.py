"""Fit a linear model to what the classifier says of images with some superpixels switched off."""

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
from service.explain.subject import Subject
from service.imaging.baselines import BASELINES
from service.runtime.plan import Direction, Plan


class LimeParameters(CoalitionParameters):
    """Those of coalitions, and how near a sample has to be to count."""

    kernel_width: float = Field(
        0.25, gt=0, le=100, description="Width of the exponential kernel of the cosine distance to the image."
    )
    ridge: float = Field(1.0, ge=0, le=1e6, description="Penalty on the squared coefficients.")
    scalar: Scalar = Field("probability", description="What of the model's answer is explained.")


def plan(subject: Subject, parameters: LimeParameters) -> Plan[Explanation]:
    """Explain by the coefficients of a weighted ridge regression on which superpixels are shown.

    Every superpixel is shown with probability one half; the first sample shows all. The map's unit is that
    of the scalar: by how much showing the superpixel raises it, by the linear model. *fidelity* is
    that model's weighted R^2; where it is low, the coefficients describe little of the classifier.

    Raises:
        OptionError: There are more superpixels than pixels.

    References:
        Ribeiro, Singh, Guestrin. "Why Should I Trust You?", KDD 2016, sections 3.3 and 3.4, with the kernel of
        the authors' code. https://arxiv.org/abs/1602.04938
    """
    segments = cut(subject, parameters)
    coalitions = draw(int(segments.max()) + 1, parameters.samples, subject.seed)

    def fit(values: NDArray[np.float64]) -> Estimate:
        shown = coalitions[: len(values)]
        return weighted_ridge(shown, values, kernel(shown, parameters.kernel_width), parameters.ridge)

    samples = yield from play(
        subject,
        segments,
        coalitions,
        replacement=subject.model.device.upload(BASELINES[parameters.baseline](subject.pixels)[None]),
        scalar=parameters.scalar,
        settled=lambda values: suffices(painted_agreement(fit(values), segments), parameters.agreement),
    )
    return paint_explanation(
        fit(samples.values), segments, samples, goal=parameters.agreement, forwards=len(samples.values)
    )


def draw(parts: int, count: int, seed: int) -> Coalitions:
    """Show every part with probability one half; the first coalition shows all."""
    coalitions: Coalitions = np.random.default_rng(seed).integers(0, 2, (count, parts), dtype=np.uint8) > 0
    coalitions[0] = True
    return coalitions


def kernel(shown: Coalitions, width: float) -> NDArray[np.float64]:
    """Weigh samples by their cosine distance d to the whole image: ``exp(-d^2 / (2 width^2))``.

    Args:
        shown: ``[N, parts]``.
        width: Of the kernel; a sample without half of its parts is at distance 0.29.

    Examples:
        >>> kernel(np.array([[True, True], [False, False]]), 1.0).round(4)
        array([1.    , 0.6065])
    """
    distance = 1 - np.sqrt(shown.mean(axis=1))
    weights: NDArray[np.float64] = np.exp(-0.5 * np.square(distance / width))
    return weights


def weighted_ridge(
    shown: Coalitions, values: NDArray[np.float64], weights: NDArray[np.float64], ridge: float
) -> Estimate:
    """Minimise ``sum(weights * (values - intercept - shown @ x)^2) + ridge * sum(x^2)``.

    The standard error is the sandwich estimate, which holds whatever the residuals depend on. Without a ridge
    and with too few samples the smallest of the solutions is returned.

    Args:
        shown: ``[N, parts]``.
        values: ``[N]``.
        weights: ``[N]``, positive.
        ridge: Not negative; the intercept is not penalised.
    """
    count, parts = shown.shape
    share = weights / weights.sum()
    inputs = shown - share @ shown
    scalars = values - share @ values
    normal = inputs.T @ (weights[:, None] * inputs) + ridge * np.eye(parts)
    inverse = np.linalg.pinv(normal, hermitian=True)
    coefficients = inverse @ (inputs.T @ (weights * scalars))
    residual = scalars - inputs @ coefficients
    scores = inverse @ (inputs.T * (weights * residual))
    spare = count - parts - 1
    error = np.sqrt(np.square(scores).sum(axis=1) * count / spare) if spare > 0 else None
    total = float(weights @ np.square(scalars))
    fidelity = 1 - float(weights @ np.square(residual)) / total if total > 0 else None
    return Estimate(coefficients, error, fidelity)


def _forwards(height: int, width: int, parameters: LimeParameters) -> int:
    check_parts(height, width, parameters)
    return parameters.samples


METHOD = Method(
    name="lime",
    summary="A linear model of what the classifier says when superpixels are switched off; needs no gradient.",
    parameters=LimeParameters,
    direction=Direction.FORWARD,
    forwards=_forwards,
    plan=plan,
    seeded=True,
    least=lambda _height, _width, _parameters: 2,
)
