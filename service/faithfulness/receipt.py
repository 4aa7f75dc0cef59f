"""The receipt of one map: the plan that measures it, and what it returns."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from service.arrays import SaliencyMap
from service.faithfulness.controls import CONTROLS, beyond, share_explained
from service.faithfulness.grid import Grid
from service.faithfulness.measures.measure import Measure
from service.faithfulness.operators.registry import OPERATORS
from service.faithfulness.order import most_relevant_first, share_of_ties
from service.faithfulness.panel import Orders, Panel, panel_plan
from service.faithfulness.protocol import FAST, Protocol
from service.faithfulness.resolution import at_resolution
from service.faithfulness.streams import stream
from service.faithfulness.subject import ScoredSubject
from service.faithfulness.summary import Summary, summarise
from service.faithfulness.verdict import Judgement, Verdict, judge
from service.runtime.plan import DeadlineReached, MicroBatch, Plan
from service.runtime.spent import Spent, counted

_MANY_TIES = 0.5


@dataclass(frozen=True, slots=True)
class Receipt:
    """How far to trust a map, with everything that was measured for it.

    Args:
        protocol: How it was measured.
        seed: Of everything random in it.
        map: At the model's input size.
        judgement: Verdict and reason.
        panels: One per operator that was finished.
        counted: Names of the operators that the verdict rests on.
        summary: Over the counted operators; None if there is none.
        forwards: Forward passes spent, those of the measures included.
        warnings: What a reader must know.
        made_with: Names of the operators with which the map was made.
        measures: What else was measured, by the name under which it was asked for.
    """

    protocol: Protocol
    seed: int
    map: SaliencyMap
    judgement: Judgement
    panels: tuple[Panel, ...]
    counted: frozenset[str]
    summary: Summary | None
    forwards: int
    warnings: tuple[str, ...]
    made_with: frozenset[str] = frozenset()
    measures: Mapping[str, Measure] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """One of four."""
        return self.judgement.verdict


@dataclass(frozen=True, slots=True)
class _Map:
    """A map, taken apart into cells."""

    values: SaliencyMap
    grid: Grid
    orders: Orders
    share_explained: float
    share_of_ties: float


def receipt_plan(
    subject: ScoredSubject,
    saliency: SaliencyMap,
    *,
    protocol: Protocol = FAST,
    made_with: Collection[str] = (),
) -> Plan[Receipt]:
    """Measure how faithful a map is to the model on this image, relative to chance.

    If the deadline comes first, the receipt rests on the operators that were finished, and says so.

    Args:
        subject: The image, the model and the scalar that the map explains.
        saliency: ``[h, w]`` of any size, signed: larger is more evidence for the target.
        protocol: How to measure.
        made_with: Names of removal operators with which the map itself was made. What they say of it is
            circular: the protocol's spares take their place, and where there are none they are measured
            and do not count, unless there is nothing else.

    Raises:
        MapError: The map is no finite ``[h, w]`` array.
        DeadlineReached: Not even one operator was finished.
    """
    protocol = protocol.for_map(made_with)
    model = subject.model
    values = at_resolution(saliency, model.height, model.width)
    grid = Grid.over(model.height, model.width, rows=protocol.rows, columns=protocol.columns)
    scores = grid.cell_sums(values)
    if np.ptp(values) == 0 or np.ptp(scores) <= 1e-12 * np.abs(scores).max():
        return _unscored(
            subject, protocol, values, "The map is the same everywhere: it ranks no part above another."
        )
    judged = _take_apart(subject, protocol, values, grid)
    panels, spent, cut_short = yield from _measure(subject, protocol, judged)
    return _conclude(subject, protocol, judged, panels, made_with, spent=spent, cut_short=cut_short)


def _take_apart(subject: ScoredSubject, protocol: Protocol, values: SaliencyMap, grid: Grid) -> _Map:
    ties = stream(subject.seed, "ties")
    scores = grid.cell_sums(values)
    trivial = {name: grid.cell_sums(control(subject.pixels)) for name, control in CONTROLS.items()}
    residual = beyond(scores, list(trivial.values()))
    explained = share_explained(scores, residual)
    orders = Orders(
        map=most_relevant_first(scores, ties),
        # Where trivial maps explain everything, the residual is rounding, and its order means nothing.
        beyond=most_relevant_first(residual, ties) if explained < 1 - 1e-9 else None,
        controls={name: most_relevant_first(trivial[name], ties) for name in protocol.controls},
        random=protocol.random_orders,
    )
    return _Map(values, grid, orders, explained, share_of_ties(scores))


def _measure(
    subject: ScoredSubject, protocol: Protocol, judged: _Map
) -> Plan[tuple[tuple[Panel, ...], int, str]]:
    """Run the operators; return their panels, the forward passes, and what cut the work short, if anything."""
    clear = yield MicroBatch(subject.image, 1, answer=subject.scalars)
    clear_probability = float(clear["probability"].numpy()[0])
    panels: list[Panel] = []
    spent = Spent(1)
    try:
        for name in protocol.operators:
            panel = panel_plan(
                subject,
                OPERATORS[name],
                judged.grid,
                judged.orders,
                steps=protocol.steps,
                clear_probability=clear_probability,
            )
            panels.append((yield from counted(panel, spent)))
    except DeadlineReached as signal:
        if not panels:
            raise
        return tuple(panels), spent.forwards, signal.reason
    return tuple(panels), spent.forwards, ""


def _conclude(
    subject: ScoredSubject,
    protocol: Protocol,
    judged: _Map,
    panels: tuple[Panel, ...],
    made_with: Collection[str],
    *,
    spent: int,
    cut_short: str,
) -> Receipt:
    counted = _counted(panels, protocol, made_with)
    summary = summarise(counted, share_explained=judged.share_explained) if counted else None
    judgement = _nothing_at_stake(panels) if summary is None else judge(summary, counted, protocol.thresholds)
    return Receipt(
        protocol=protocol,
        seed=subject.seed,
        map=judged.values,
        judgement=judgement,
        panels=panels,
        counted=frozenset(panel.operator.name for panel in counted),
        summary=summary,
        forwards=spent,
        warnings=tuple(_warnings(protocol, judged, panels, made_with, cut_short)),
        made_with=frozenset(made_with),
    )


def _counted(panels: Sequence[Panel], protocol: Protocol, made_with: Collection[str]) -> list[Panel]:
    """Leave out operators under which nothing is at stake, and circular ones if others remain."""
    telling = [panel for panel in panels if panel.at_stake >= protocol.thresholds.least_at_stake]
    independent = [panel for panel in telling if panel.operator.name not in made_with]
    return independent or telling


def _nothing_at_stake(panels: Sequence[Panel]) -> Judgement:
    clear = panels[0].clear_probability
    left = ", ".join(f"{panel.audit.target_probability:.3f} ({panel.operator.name})" for panel in panels)
    return Judgement(
        Verdict.UNSCORABLE,
        f"The model gives the target {clear:.3f} on the whole image and no less when everything is removed: {left}. "
        "There is nothing that a map could explain.",
    )


def _unscored(subject: ScoredSubject, protocol: Protocol, values: SaliencyMap, reason: str) -> Receipt:
    judgement = Judgement(Verdict.UNSCORABLE, reason)
    return Receipt(protocol, subject.seed, values, judgement, (), frozenset(), None, 0, ())


def _warnings(
    protocol: Protocol,
    judged: _Map,
    panels: Sequence[Panel],
    made_with: Collection[str],
    cut_short: str,
) -> Iterator[str]:
    if cut_short:
        done = ", ".join(panel.operator.name for panel in panels)
        yield f"{cut_short}: only {len(panels)} of {len(protocol.operators)} removal operators were finished ({done})"
    if judged.share_of_ties > _MANY_TIES:
        yield f"{judged.share_of_ties:.0%} of the cells tie with another; their order is drawn by the seed"
    for panel in panels:
        name, audit = panel.operator.name, panel.audit
        if panel.at_stake < protocol.thresholds.least_at_stake:
            yield (
                f"{name} does not count: with everything removed the target keeps {audit.target_probability:.3f} "
                f"of {panel.clear_probability:.3f}"
            )
        elif not audit.neutral:
            yield (
                f"{name} is not neutral for this model: with everything removed it sees class "
                f"{audit.predicted_class} with probability {audit.largest_probability:.2f}, and the target with "
                f"{audit.target_probability:.3f}"
            )
        if name in made_with:
            yield f"{name} is circular: the map was made with it"
