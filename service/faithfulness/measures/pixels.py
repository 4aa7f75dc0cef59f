"""The curves again with every pixel a cell of its own, for what is finer than the grid.

No verdict is drawn from them. Random orders of single pixels take an image apart as salt and pepper do,
so they stray far less than any smooth map, and a blob in the wrong place would look far from chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.arrays import SaliencyMap
from service.faithfulness.curve import CurvePair, removal_counts
from service.faithfulness.grid import Grid
from service.faithfulness.operators.registry import OPERATORS
from service.faithfulness.order import most_relevant_first
from service.faithfulness.panel import Orders, Panel, panel_plan
from service.faithfulness.streams import stream
from service.faithfulness.subject import ScoredSubject
from service.runtime.plan import Plan


@dataclass(frozen=True, slots=True)
class PixelScore:
    """Curves over pixels under one removal operator; each field as in the panel of cells.

    Args:
        operator: Its name.
        removed_fraction: Of the pixels, at each step.
        morf: The target's probability, most relevant first.
        lerf: The same, least relevant first.
        auc_morf: In [0, 1].
        auc_lerf: In [0, 1].
        auc_random: Of one random order of the pixels, mean of both directions.
        srg: ``auc_lerf - auc_morf``.
        mrg: ``auc_random - auc_morf``.
        lrg: ``auc_lerf - auc_random``.
    """

    operator: str
    removed_fraction: tuple[float, ...]
    morf: tuple[float, ...]
    lerf: tuple[float, ...]
    auc_morf: float
    auc_lerf: float
    auc_random: float
    srg: float
    mrg: float
    lrg: float


@dataclass(frozen=True, slots=True)
class Pixels:
    """The panel of pixels.

    Args:
        operators: In the order of the protocol.
        forwards: Forward passes spent.
    """

    operators: tuple[PixelScore, ...]
    forwards: int


def pixel_forwards(operators: int, steps: int) -> int:
    """Count the forward passes beforehand: per operator the emptied image, and two orders both ways.

    Examples:
        >>> pixel_forwards(2, 4)
        26
    """
    return operators * (1 + 4 * (steps - 1))


def pixels_plan(
    subject: ScoredSubject,
    saliency: SaliencyMap,
    operators: Sequence[str],
    *,
    steps: int,
    clear_probability: float,
) -> Plan[Pixels]:
    """Take the image apart pixel by pixel under each operator.

    Args:
        subject: What is explained.
        saliency: ``[H, W]`` at the model's input size.
        operators: Names.
        steps: Strides from the whole image to none of it.
        clear_probability: Of the whole image.
    """
    height, width = saliency.shape
    grid = Grid.over(height, width, rows=height, columns=width)
    order = most_relevant_first(grid.cell_sums(saliency), stream(subject.seed, "pixel ties"))
    orders = Orders(map=order, beyond=None, controls={}, random=1)
    panels: list[Panel] = []
    for name in operators:
        panel = yield from panel_plan(
            subject, OPERATORS[name], grid, orders, steps=steps, clear_probability=clear_probability
        )
        panels.append(panel)
    return Pixels(tuple(map(_score, panels)), sum(panel.forwards for panel in panels))


def _score(panel: Panel) -> PixelScore:
    judged, (random,) = panel.map, panel.random
    chance = (random.auc_morf + random.auc_lerf) / 2
    return PixelScore(
        operator=panel.operator.name,
        removed_fraction=_fractions(judged),
        morf=tuple(map(float, judged.morf)),
        lerf=tuple(map(float, judged.lerf)),
        auc_morf=judged.auc_morf,
        auc_lerf=judged.auc_lerf,
        auc_random=chance,
        srg=judged.srg,
        mrg=chance - judged.auc_morf,
        lrg=judged.auc_lerf - chance,
    )


def _fractions(pair: CurvePair) -> tuple[float, ...]:
    return tuple(np.divide(removal_counts(pair.cells, len(pair.morf) - 1), pair.cells).tolist())
