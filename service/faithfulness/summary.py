"""What the operators say together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from service.faithfulness.chance import pool, student_t_tail
from service.faithfulness.curve import CurvePair
from service.faithfulness.panel import Panel


@dataclass(frozen=True, slots=True)
class Test:
    """The mean over the operators against chance.

    Args:
        srg: Mean SRG, in probability.
        log_odds_srg: Mean of the same area in log-odds, which is what is tested.
        z_score: That, in deviations of chance.
        p_value: How often a random order would do at least as well.
    """

    srg: float
    log_odds_srg: float
    z_score: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The panels of all counted operators in a few numbers.

    Args:
        map: The judged map against chance.
        beyond: What it says beyond trivial maps, against chance; None if that is nothing.
        controls: The trivial maps that were measured, against chance.
        share_explained: Share of the variance of the map's ranks that trivial maps explain.
        gain: Mean SRG over the mean probability at stake: 0 is chance, near 1 the best conceivable; above
            1 if removing what the map ranks low makes the model surer than the whole image does.
        deviation: Of chance, for a mean log-odds SRG.
        degrees_of_freedom: Of *deviation*.
        spread: Largest minus smallest SRG of the operators.
        sign_agreement: Share of the operators under which the map's SRG is above 0.
    """

    map: Test
    beyond: Test | None
    controls: Mapping[str, Test]
    share_explained: float
    gain: float
    deviation: float
    degrees_of_freedom: int
    spread: float
    sign_agreement: float


def summarise(panels: Sequence[Panel], *, share_explained: float) -> Summary:
    """Average over operators and test against chance.

    Args:
        panels: Of the operators that count; at least one.
        share_explained: See :class:`Summary`.
    """
    deviation, degrees_of_freedom = pool([panel.chance for panel in panels])

    def against_chance(pairs: Sequence[CurvePair]) -> Test:
        log_odds_srg = float(np.mean([pair.log_odds_srg for pair in pairs]))
        z_score = log_odds_srg / deviation
        mean_srg = float(np.mean([pair.srg for pair in pairs]))
        return Test(mean_srg, log_odds_srg, z_score, student_t_tail(z_score, degrees_of_freedom))

    judged = against_chance([panel.map for panel in panels])
    beyond = [panel.beyond for panel in panels if panel.beyond is not None]
    srg = np.array([panel.map.srg for panel in panels])
    return Summary(
        map=judged,
        beyond=against_chance(beyond) if beyond else None,
        controls={
            name: against_chance([panel.controls[name] for panel in panels]) for name in panels[0].controls
        },
        share_explained=share_explained,
        gain=judged.srg / float(np.mean([panel.at_stake for panel in panels])),
        deviation=deviation,
        degrees_of_freedom=degrees_of_freedom,
        spread=float(np.ptp(srg)),
        sign_agreement=float(np.mean(srg > 0)),
    )
