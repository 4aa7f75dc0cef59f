"""Three ways to weigh RISE's masks by the model's answers; they aim at the same map with unequal luck.

The map is, for every pixel, by how much the scalar is above its mean over all masks when the mask keeps
the pixel: ``cov(f, mask) / keep``, for masks of ones and zeros ``E[f | kept] - E[f]``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Name: TypeAlias = Literal["adjusted", "centred", "plain"]

# Ridges to choose from, in mean eigenvalues; the last leaves nothing of the linear part.
_RIDGES = np.array([0.03, 0.1, 0.3, 1, 3, 10, 100, np.inf])


@dataclass(frozen=True, slots=True)
class Weights:
    """What a map is made of: ``mean(residual * mask)``, and a part that needs no sampling.

    Args:
        residual: ``[N]``, the weight of every mask.
        linear: ``[P]``: what the answers owe to each feature of the masks. The covariance of features
            and pixels is known, so this part has no sampling noise of its own.
        is_centred: Whether the residuals add up to 0, so that how often a pixel was kept cancels out.
    """

    residual: NDArray[np.float64]
    linear: NDArray[np.float64]
    is_centred: bool


def plain(features: NDArray[np.float64], values: NDArray[np.float64]) -> Weights:
    """Weigh every mask by its answer, as published; the map is above the others' by the mean answer.

    Where all answers are alike, it is mostly how often each pixel happened to be kept.

    Args:
        features: ``[N, P]``: the masks at some pixels, minus their mean over all masks.
        values: ``[N]``: the model's answers.

    References:
        Petsiuk, Das, Saenko. "RISE", BMVC 2018, equation 6. https://arxiv.org/abs/1806.07421
    """
    return Weights(values, np.zeros(features.shape[1]), is_centred=False)


def centred(features: NDArray[np.float64], values: NDArray[np.float64]) -> Weights:
    """Weigh every mask by its answer minus the mean answer.

    The masks' mean is known, so they serve as their own control variate.

    Args:
        features: As for :func:`plain`.
        values: Likewise.
    """
    return Weights(values - values.mean(), np.zeros(features.shape[1]), is_centred=True)


def adjusted(features: NDArray[np.float64], values: NDArray[np.float64]) -> Weights:
    """Sample only what a linear model of the answers does not explain.

    The answers are regressed on the masks at a lattice of pixels. What the linear model contributes to the
    map follows from the known covariance of the masks; the residuals go the usual way. Every mask's
    residual is that of the regression without it, so that the fit cannot hide noise, and the ridge is
    the one with the smallest such residuals: one that leaves nothing gives the centred estimator, as do masks that
    are all alike, which a linear model can say nothing about.

    Args:
        features: As for :func:`plain`.
        values: Likewise.

    References:
        Owen. "Monte Carlo theory, methods and examples", 2013, section 8.9 (regression-based control variates).
    """
    count = len(values)
    scalars = values - values.mean()
    inputs = features - features.mean(axis=0)
    if not inputs.any():
        return centred(features, values)
    eigenvalues, directions = np.linalg.eigh(inputs.T @ inputs)
    along = inputs @ directions
    shrunk = 1 / (np.maximum(eigenvalues, 0)[:, None] + eigenvalues.mean() * _RIDGES)
    leverage = np.square(along) @ shrunk + 1 / count
    coefficients = shrunk * (along.T @ scalars)[:, None]
    left_out = (scalars[:, None] - along @ coefficients) / np.maximum(1 - leverage, 1 / count)
    best = int(np.square(left_out).sum(axis=0).argmin())
    residual = left_out[:, best]
    # The mean over the N regressions that leave one mask out.
    mean_coefficients = coefficients[:, best] - shrunk[:, best] * (along.T @ residual) / count
    return Weights(residual - residual.mean(), directions @ mean_coefficients, is_centred=True)


ESTIMATORS: Mapping[Name, Callable[[NDArray[np.float64], NDArray[np.float64]], Weights]] = {
    "adjusted": adjusted,
    "centred": centred,
    "plain": plain,
}
