"""Shapley values of a game from some of its coalitions, by constrained least squares."""

import numpy as np
from numpy.typing import NDArray

from service.explain.coalitions import Coalitions, Estimate


def every_coalition(players: int) -> Coalitions:
    """List all coalitions but the empty one and that of all, each beside its complement, extreme sizes first.

    Returns:
        ``[2^players - 2, players]``.

    Examples:
        >>> every_coalition(2).astype(int).tolist()
        [[1, 0], [0, 1]]
    """
    number = np.arange(1, 2 ** (players - 1))
    one = (number[:, None] >> np.arange(players)) & 1 > 0
    smaller_side = np.minimum(one.sum(axis=1), players - one.sum(axis=1))
    return _with_complements(one[np.argsort(smaller_side, kind="stable")])


def draw_coalitions(players: int, count: int, seed: int) -> Coalitions:
    """Draw coalitions in proportion to the Shapley kernel, each followed by its complement.

    A size k is drawn in proportion to ``1 / (k (players - k))``, then k players at random: so a fit
    without weights is the weighted fit. Pairs of complements halve the variance or better, as the part of
    the game that is even in the coalition drops out.

    Args:
        players: At least 2.
        count: Even.
        seed: Of the request; the first n pairs are the same whatever *count* is.

    Returns:
        ``[count, players]``.

    References:
        Covert, Lee. "Improving KernelSHAP", AISTATS 2021, sections 3.2 and 4. https://arxiv.org/abs/2012.01536
    """
    size = np.arange(1, players)
    chance = np.cumsum(1 / (size * (players - size)))
    random = np.random.default_rng(seed).random((count // 2, 1 + players))
    sizes = size[np.searchsorted(chance / chance[-1], random[:, 0], side="right").clip(max=players - 2)]
    rank = random[:, 1:].argsort(axis=1).argsort(axis=1)
    return _with_complements(rank < sizes[:, None])


def kernel_weights(coalitions: Coalitions) -> NDArray[np.float64]:
    """Give the Shapley kernel of every coalition: ``(M - 1) / (binomial(M, k) k (M - k))`` up to a factor.

    References:
        Lundberg, Lee. "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017, theorem 2.
        https://arxiv.org/abs/1705.07874
    """
    players = coalitions.shape[1]
    size = coalitions.sum(axis=1)
    subsets = np.array(
        [float(np.prod(np.arange(1, k + 1) / np.arange(players, players - k, -1))) for k in size]
    )
    weights: NDArray[np.float64] = subsets / (size * (players - size))
    return weights


def fit_shapley(
    coalitions: Coalitions,
    values: NDArray[np.float64],
    *,
    empty: float,
    full: float,
    weights: NDArray[np.float64] | None = None,
) -> Estimate:
    """Find the additive game nearest to one whose coalitions were sampled in pairs.

    The values add up to ``full - empty`` exactly: the last player's follows from the others'.

    Args:
        coalitions: ``[N, players]``, complements side by side.
        values: ``[N]``, what they are worth.
        empty: What the empty coalition is worth.
        full: What all are worth together.
        weights: ``[N]`` if these are all coalitions; then there is no sampling error. None if they were drawn.

    Returns:
        One value per player, with the standard error over pairs.
    """
    inputs = coalitions[:, :-1].astype(np.float64) - coalitions[:, -1:]
    scalars = values - empty - coalitions[:, -1] * (full - empty)
    scale = np.ones(len(values)) if weights is None else weights
    normal = inputs.T @ (scale[:, None] * inputs)
    inverse = np.asarray(np.linalg.pinv(normal, hermitian=True), np.float64)
    free = inverse @ (inputs.T @ (scale * scalars))
    shapley = np.append(free, full - empty - free.sum())
    if weights is not None:
        return Estimate(shapley, np.zeros_like(shapley))
    return Estimate(shapley, _standard_error(inputs, scalars - inputs @ free, inverse))


def _standard_error(
    inputs: NDArray[np.float64], residual: NDArray[np.float64], inverse: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Sandwich estimate over pairs, which are independent while their two halves are not."""
    pairs, free = len(residual) // 2, inputs.shape[1]
    if pairs <= free:
        return None
    scores = (inputs * residual[:, None])[: 2 * pairs].reshape(pairs, 2, free).sum(axis=1)
    moved = scores @ inverse
    moved = np.concatenate([moved, -moved.sum(axis=1, keepdims=True)], axis=1)
    error: NDArray[np.float64] = np.sqrt(np.square(moved).sum(axis=0) * pairs / (pairs - free))
    return error


def _with_complements(coalitions: Coalitions) -> Coalitions:
    pairs = np.stack([coalitions, ~coalitions], axis=1)
    return pairs.reshape(-1, coalitions.shape[1])
