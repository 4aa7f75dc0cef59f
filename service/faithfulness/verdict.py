"""The verdict in plain words, and the rule behind it.

*Faithful* is a statement about the map and this model on this image, however the map was made:
its order of the cells tells which of them the model's answer rests on. The rule, in this order:

1. ``cannot be scored``: the map ranks nothing (it is the same everywhere), or under no operator does
   the probability fall when everything is removed, so that nothing is at stake.
2. ``indistinguishable from random``: the mean log-odds SRG over the operators is not above chance (one-sided
   p > 2.5 %), nor is any single operator's (p > 2.5 % over the number of operators). So at most 5.5 % of random
   maps are said to be anything else: 2.5 % by either test, and 0.5 % for being significantly worse than chance.
3. ``faithful``: all of
   a. the mean log-odds SRG is above chance with p <= 0.5 %;
   b. the mean SRG, in probability, is at least 5 % of the probability at stake;
   c. every operator has it above 0, and there are at least two operators;
   d. what the map says beyond trivial maps (edges, centre, contrast) is itself above chance with
      p <= 5 %, and trivial maps explain at most 90 % of its ranks.
4. ``mixed``: everything else, with each condition that was missed; also a map that is significantly worse
   than chance, or one that a single operator finds above chance when the mean is not.

Condition a alone bounds false verdicts: of maps that rank the cells at random at most one in
200 passes it, and the other conditions only take away. Condition d is why a trivial map is never called
faithful, even on a photograph where edges or the centre do tell where the object is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from service.faithfulness.panel import Panel
from service.faithfulness.protocol import Thresholds
from service.faithfulness.summary import Summary


class Verdict(StrEnum):
    """What a receipt says of a map."""

    FAITHFUL = "faithful"
    MIXED = "mixed"
    RANDOM = "indistinguishable from random"
    UNSCORABLE = "cannot be scored"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and why.

    Args:
        verdict: One of four.
        reason: One or two sentences for people who do not know the statistics.
    """

    verdict: Verdict
    reason: str


def judge(summary: Summary, panels: Sequence[Panel], thresholds: Thresholds) -> Judgement:
    """Apply rules 2 to 4.

    Args:
        summary: Of the counted operators.
        panels: Of the counted operators.
        thresholds: Where verdicts part.
    """
    if summary.map.p_value > thresholds.noticeable / 2:
        return _not_above_chance(summary, panels, thresholds)
    missed = list(_missed(summary, panels, thresholds))
    above = (
        f"{_operators(panels)}, the cells that the map ranks high carry the evidence: its gain is "
        f"{summary.map.z_score:.1f} deviations above random orders of the same image"
    )
    if missed:
        return Judgement(Verdict.MIXED, f"{above}; but {'; '.join(missed)}.")
    return Judgement(Verdict.FAITHFUL, f"{above}, and it says more than edges, centre and contrast do.")


def _not_above_chance(summary: Summary, panels: Sequence[Panel], thresholds: Thresholds) -> Judgement:
    if 1 - summary.map.p_value <= thresholds.faithful:
        return Judgement(
            Verdict.MIXED,
            f"Worse than chance: removing what the map ranks low hurts the target more "
            f"({-summary.map.z_score:.1f} deviations below random orders). It may rank evidence against the target, "
            "or be upside down.",
        )
    above = [
        panel.operator.name
        for panel in panels
        if panel.chance.p_value(panel.map.log_odds_srg) <= thresholds.noticeable / 2 / len(panels)
    ]
    if above:
        return Judgement(
            Verdict.MIXED,
            f"The operators disagree: above chance under {', '.join(above)}, but not on average over {len(panels)}.",
        )
    return Judgement(
        Verdict.RANDOM,
        f"{_operators(panels)}, a random order of the cells does at least as well in {_percent(summary.map.p_value)} "
        "of cases.",
    )


def _missed(summary: Summary, panels: Sequence[Panel], thresholds: Thresholds) -> Iterator[str]:
    """Name every condition of ``faithful`` that does not hold."""
    if summary.map.p_value > thresholds.faithful:
        yield f"chance alone does as well in {_percent(summary.map.p_value)} of cases, which is not rare enough"
    if summary.gain < thresholds.least_gain:
        yield f"the gain is only {_percent(summary.gain)} of the probability at stake"
    against = [panel.operator.name for panel in panels if panel.map.srg <= 0]
    if against:
        yield f"not under {', '.join(against)}"
    if len(panels) < 2:  # noqa: PLR2004 - one operator cannot agree with another
        yield "only one operator could be used"
    if summary.beyond is None or summary.share_explained > thresholds.most_trivial:
        yield f"edges, centre and contrast alone give {_percent(summary.share_explained)} of its ranking"
    elif summary.beyond.p_value > thresholds.noticeable:
        yield "what it says beyond edges, centre and contrast is not above chance"


def _operators(panels: Sequence[Panel]) -> str:
    count = len(panels)
    return "Under one removal operator" if count == 1 else f"Over {count} removal operators"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 1 else "100 %"
