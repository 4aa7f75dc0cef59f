"""Ask the model what it loses with groups and with random sets of cells."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.faithfulness.answers import Answers, answers
from service.faithfulness.curve import Removed
from service.faithfulness.grid import Grid
from service.faithfulness.measures.correlation import Numbers
from service.faithfulness.measures.magnitude import Magnitude, mu_fidelity, normalised_infidelity, saco
from service.faithfulness.operators.registry import OPERATORS
from service.faithfulness.order import Order, Scores, most_relevant_first
from service.faithfulness.streams import stream
from service.faithfulness.subject import ScoredSubject
from service.runtime.plan import MicroBatch, Plan

GROUPS = 10
"""Of cells, by rank; each is removed alone. The authors' default."""

SUBSETS = 50
"""Random sets of cells per operator. The correlation of a map that knows nothing strays by 1 / sqrt(50) = 0.14."""

SHARE = 0.2
"""Of the cells that a random set removes; common since xplique."""


@dataclass(frozen=True, slots=True)
class Magnitudes:
    """What was measured under each operator.

    Args:
        operators: In the order of the protocol.
        forwards: Forward passes spent.
        groups: Of cells, by rank.
        subsets: Random sets of cells.
        subset_share: Of the cells in each.
    """

    operators: tuple[Magnitude, ...]
    forwards: int
    groups: int = GROUPS
    subsets: int = SUBSETS
    subset_share: float = SHARE


def magnitude_forwards(operators: int) -> int:
    """Count the forward passes beforehand.

    Examples:
        >>> magnitude_forwards(2)
        121
    """
    return 1 + operators * (GROUPS + SUBSETS)


def magnitude_plan(
    subject: ScoredSubject, scores: Scores, grid: Grid, operators: Sequence[str]
) -> Plan[Magnitudes]:
    """Measure a map's magnitudes under each operator.

    Args:
        subject: What is explained.
        scores: ``[cells]``: the map's sum in each.
        grid: The cells.
        operators: Names.
    """
    random = stream(subject.seed, "magnitude")
    groups = rank_groups(most_relevant_first(scores, random), GROUPS)
    removed = np.concatenate([groups, random_subsets(grid.size, random)])
    clear = yield MicroBatch(subject.image, 1, answer=subject.scalars)
    whole = Answers(*(clear[name].numpy().astype(np.float64) for name in ("probability", "logit")))
    found = []
    for name in operators:
        left = yield from answers(subject, OPERATORS[name].prepare(subject, grid), removed)
        found.append(_compare(name, removed @ scores, whole, left, len(groups)))
    return Magnitudes(tuple(found), forwards=1 + len(operators) * len(removed))


def _compare(name: str, sums: Numbers, whole: Answers, left: Answers, groups: int) -> Magnitude:
    fall, loss = whole.probability - left.probability, whole.logit - left.logit
    values, order = mu_fidelity(sums[groups:], loss[groups:])
    return Magnitude(
        operator=name,
        saco=saco(sums[:groups], fall[:groups]),
        mu_fidelity=values,
        mu_fidelity_rank=order,
        normalised_infidelity=normalised_infidelity(sums[groups:], loss[groups:]),
    )


def rank_groups(order: Order, groups: int) -> Removed:
    """Cut an order of the cells into groups of equal size, as nearly as whole cells allow.

    Returns:
        ``[groups, cells]``, fewer groups where there are fewer cells; the first holds the highest ranks.

    Examples:
        >>> rank_groups(np.array([2, 0, 1]), 3).astype(int)
        array([[0, 0, 1],
               [1, 0, 0],
               [0, 1, 0]])
    """
    parts = np.array_split(order, min(groups, len(order)))
    removed = np.zeros((len(parts), len(order)), np.bool_)
    for row, part in zip(removed, parts, strict=True):
        row[part] = True
    return removed


def random_subsets(cells: int, random: np.random.Generator) -> Removed:
    """Draw sets of one fifth of the cells, at least one.

    Returns:
        ``[SUBSETS, cells]``.
    """
    size = max(1, round(SHARE * cells))
    removed = np.zeros((SUBSETS, cells), np.bool_)
    for row in removed:
        row[random.permutation(cells)[:size]] = True
    return removed
