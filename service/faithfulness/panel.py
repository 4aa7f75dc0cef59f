"""One removal operator's share of a receipt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.arrays import Logits
from service.faithfulness.answers import answers
from service.faithfulness.audit import Audit, audit
from service.faithfulness.chance import Chance
from service.faithfulness.curve import CurvePair, Removed, partly_removed
from service.faithfulness.grid import Grid
from service.faithfulness.operators.operator import Operator, Removal
from service.faithfulness.order import Order
from service.faithfulness.streams import stream
from service.faithfulness.subject import ScoredSubject
from service.runtime.plan import Direction, MicroBatch, Plan


@dataclass(frozen=True, slots=True)
class Panel:
    """What one operator says of the map.

    Args:
        operator: Which one.
        audit: What the model sees when everything is removed.
        clear_probability: Of the whole image.
        map: The map's curves.
        beyond: The curves of what the map says beyond trivial maps; None if that is nothing.
        random: The curves of random orders.
        controls: The curves of trivial maps, by name.
    """

    operator: Operator
    audit: Audit
    clear_probability: float
    map: CurvePair
    beyond: CurvePair | None
    random: tuple[CurvePair, ...]
    controls: Mapping[str, CurvePair]

    @property
    def chance(self) -> Chance:
        """What the random orders achieve."""
        return Chance(np.array([pair.log_odds_srg for pair in self.random]))

    @property
    def forwards(self) -> int:
        """Forward passes spent on it."""
        pairs = [self.map, *self.random, *self.controls.values()] + (
            [] if self.beyond is None else [self.beyond]
        )
        return 1 + sum(len(pair.morf) + len(pair.lerf) - 4 for pair in pairs)

    @property
    def at_stake(self) -> float:
        """How far the probability falls from the whole image to none of it."""
        return self.clear_probability - self.audit.target_probability


@dataclass(frozen=True, slots=True)
class Orders:
    """The orders of cells to measure, the same for every operator but for the random ones.

    Args:
        map: By the map that is judged.
        beyond: By what it says beyond trivial maps; None if that is nothing.
        controls: By trivial maps.
        random: How many random orders to add.
    """

    map: Order
    beyond: Order | None
    controls: Mapping[str, Order]
    random: int


def panel_plan(
    subject: ScoredSubject,
    operator: Operator,
    grid: Grid,
    orders: Orders,
    *,
    steps: int,
    clear_probability: float,
) -> Plan[Panel]:
    """Remove the image cell by cell in every order, from both ends, and watch the target.

    Args:
        subject: What is explained.
        operator: How to remove.
        grid: What to remove.
        orders: In which orders.
        steps: Strides from the whole image to none of it.
        clear_probability: Of the whole image.
    """
    removal = operator.prepare(subject, grid)
    emptied = yield from _audit(subject, removal, grid, clear_probability)
    shuffle = stream(subject.seed, "random orders", operator.name)
    random = [shuffle.permutation(grid.size) for _ in range(orders.random)]
    beyond = [] if orders.beyond is None else [orders.beyond]
    measured = yield from curve_pairs(
        subject,
        removal,
        [orders.map, *beyond, *random, *orders.controls.values()],
        steps,
        (clear_probability, emptied.target_probability),
    )
    pairs = iter(measured)
    return Panel(
        operator=operator,
        audit=emptied,
        clear_probability=clear_probability,
        map=next(pairs),
        beyond=next(pairs) if beyond else None,
        random=tuple(next(pairs) for _ in random),
        controls={name: next(pairs) for name in orders.controls},
    )


def _audit(subject: ScoredSubject, removal: Removal, grid: Grid, clear_probability: float) -> Plan[Audit]:
    everything = np.ones((1, grid.size), np.bool_)
    answer = yield MicroBatch(removal(everything), 1, Direction.FORWARD)
    logits = answer["logits"].numpy()
    probabilities = [_probability(subject, one) for one in (logits, np.zeros_like(logits))]
    return audit(
        logits[0],
        target_probability=probabilities[0],
        clear_probability=clear_probability,
        even_probability=probabilities[1],
        task=subject.model.manifest.task,
    )


def _probability(subject: ScoredSubject, logits: Logits) -> float:
    scalars = subject.scalars
    return float(scalars.program({**scalars.inputs, "logits": logits})["probability"].numpy()[0])


def curve_pairs(
    subject: ScoredSubject,
    removal: Removal,
    orders: Sequence[Order],
    steps: int,
    ends: tuple[float, float],
) -> Plan[list[CurvePair]]:
    """Measure the MoRF and the LeRF curve of every order in one go, so that micro-batches are full.

    Args:
        subject: What is explained.
        removal: Makes the images.
        orders: Of the cells.
        steps: Strides from the whole image to none of it.
        ends: The probability of the whole image and of none of it, which all curves share.
    """
    both_ways = [partly_removed(way, steps) for order in orders for way in (order, order[::-1])]
    removed: Removed = np.concatenate(both_ways)
    found = yield from answers(subject, removal, removed)
    inner = found.probability.reshape(len(orders), 2, -1)
    cells = removed.shape[1]
    return [CurvePair(_with_ends(morf, ends), _with_ends(lerf, ends), cells) for morf, lerf in inner]


def _with_ends(inner: NDArray[np.float64], ends: tuple[float, float]) -> NDArray[np.float64]:
    first, last = ends
    return np.concatenate([[first], inner, [last]])
