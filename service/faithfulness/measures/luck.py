"""Whether a map does better than maps that know nothing and are as smooth as it is.

Chance, for the verdict, is a random order of the cells. A map of a few soft blobs is only a few guesses, and one that
falls on the object by luck beats random orders as clearly as a map that knows the model. Here chance is a
random map with the same spatial spectrum, hence as smooth and as blobby, and as likely to be lucky.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.faithfulness.chance import Chance, pool, student_t_tail
from service.faithfulness.grid import Grid
from service.faithfulness.order import Order, Scores, most_relevant_first, normal_scores
from service.faithfulness.panel import Panel, curve_pairs
from service.faithfulness.streams import stream
from service.faithfulness.subject import ScoredSubject
from service.runtime.plan import Plan

MAPS = 10
"""Random maps per operator: as many degrees of freedom for each."""


@dataclass(frozen=True, slots=True)
class Luck:
    """A map against random maps that are as smooth.

    Args:
        maps: Random maps per operator, each followed from both ends.
        log_odds_srg_mean: Of the map, over the operators that count.
        random_deviation: How far the random maps' stray from 0.
        degrees_of_freedom: Of that.
        z_score: The map's, in such deviations.
        p_value: How often a random map as smooth would do at least as well: one-sided Student's t.
        forwards: Forward passes spent.
    """

    maps: int
    log_odds_srg_mean: float
    random_deviation: float
    degrees_of_freedom: int
    z_score: float
    p_value: float
    forwards: int


def luck_forwards(operators: int, steps: int) -> int:
    """Count the forward passes beforehand: the inner points of two curves for every random map.

    Examples:
        >>> luck_forwards(2, 4)
        120
    """
    return operators * MAPS * 2 * (steps - 1)


def as_smooth(scores: Scores, grid: Grid, random: np.random.Generator) -> Scores:
    """Draw a map with the spatial spectrum of a given one, and nothing else in common.

    The map's ranks, as normal scores, keep the amplitude of every spatial frequency and get the phases of white
    noise. So the autocorrelation is the same (of the map continued periodically), and a map and its
    negative are equally likely, which makes the mean gain of chance 0 here too.

    Args:
        scores: ``[cells]``.
        grid: The cells.
        random: Draws the phases.

    Returns:
        ``[cells]``.

    References:
        Theiler et al. "Testing for nonlinearity in time series: the method of surrogate data", Physica D 58, 1992,
        section 2.4.1. https://doi.org/10.1016/0167-2789(92)90102-S
    """
    shape = (grid.rows, grid.columns)
    amplitudes = np.abs(np.fft.fft2(normal_scores(scores).reshape(shape)))
    noise = np.fft.fft2(random.standard_normal(shape))
    drawn: Scores = np.fft.ifft2(amplitudes * np.exp(1j * np.angle(noise))).real.ravel()
    return drawn


def luck_plan(
    subject: ScoredSubject, scores: Scores, grid: Grid, panels: Sequence[Panel], *, steps: int
) -> Plan[Luck]:
    """Measure random maps as smooth as a map under the operators of its receipt.

    Args:
        subject: What is explained.
        scores: ``[cells]``: the map's sum in each.
        grid: The cells.
        panels: Of the operators that count; at least one.
        steps: Strides from the whole image to none of it, as in the panels.
    """
    parts = []
    for panel in panels:
        pairs = yield from curve_pairs(
            subject,
            panel.operator.prepare(subject, grid),
            _orders(scores, grid, stream(subject.seed, "luck", panel.operator.name)),
            steps,
            (panel.clear_probability, panel.audit.target_probability),
        )
        parts.append(Chance(np.array([pair.log_odds_srg for pair in pairs])))
    deviation, degrees_of_freedom = pool(parts)
    gain = float(np.mean([panel.map.log_odds_srg for panel in panels]))
    return Luck(
        maps=MAPS,
        log_odds_srg_mean=gain,
        random_deviation=deviation,
        degrees_of_freedom=degrees_of_freedom,
        z_score=gain / deviation,
        p_value=student_t_tail(gain / deviation, degrees_of_freedom),
        forwards=luck_forwards(len(panels), len(panels[0].map.morf) - 1),
    )


def _orders(scores: Scores, grid: Grid, random: np.random.Generator) -> list[Order]:
    return [most_relevant_first(as_smooth(scores, grid, random), random) for _ in range(MAPS)]
