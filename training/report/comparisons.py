"""SCAAT against its controls and against its twin, picture by picture and seed by seed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from training.report.cells import text
from training.report.document import Block, Heading, Items, Paragraph, Table
from training.report.intervals import Interval, bootstrap
from training.report.results import OPERATORS, Measure, Results, measures, paired

REFERENCE = "scaat"
TWIN = "standard"
CONTROLS = ("standard", "uniform", "random", "inverted", "noise", "sgt")
ENOUGH_OPERATORS = 3
ACCURACY_MARGIN = 0.01
FEWEST_PICTURES = 20
"""For an interval to be read at all: a percentile bootstrap of fewer is too narrow."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One arm minus another.

    Args:
        interval: Over pictures, of the difference averaged over the seeds.
        seeds: That both arms have.
        agreeing: Of these, how many by themselves point the way that the average does.
    """

    interval: Interval
    seeds: int
    agreeing: int

    @property
    def up(self) -> bool:
        """Whether it is above 0: on enough pictures, beyond their chance, and under every seed."""
        return (
            self.interval.count >= FEWEST_PICTURES and self.interval.low > 0 and self.agreeing == self.seeds
        )


def difference(results: Results, measure: Measure, first: str, second: str) -> Difference:
    """Compare two arms on one measure: first minus second.

    A percentile interval over pictures knows nothing of seeds, and three seeds are too few for an interval of their
    own. So a difference counts only if, besides, no seed contradicts it.
    """
    by_seed = paired(results, measure, first, second)
    found = bootstrap(by_seed.mean(axis=0) if len(by_seed) else np.empty(0))
    alone = [bootstrap(row).estimate for row in by_seed]
    return Difference(found, len(by_seed), sum(estimate * found.estimate > 0 for estimate in alone))


def comparisons(results: Results) -> Iterator[Block]:
    """Compare with every control that was evaluated."""
    yield Heading("Does the guidance matter?")
    controls = [arm for arm in CONTROLS if arm in results.arms]
    if REFERENCE not in results.arms or not controls:
        yield Paragraph(f"The arm {REFERENCE} or its controls are not evaluated yet.")
        return
    yield Paragraph(
        "Differences scaat minus control, picture by picture, averaged over the seeds that both have; 95 % bootstrap "
        "intervals over pictures. The intervals know nothing of other seeds; so the last column but one says how many "
        "seeds by themselves point the same way, and where one does not, nothing is read. Every measure is listed, "
        "whichever way it points; among this many, one in twenty excludes 0 by chance."
    )
    yield from (_comparison(results, control) for control in controls)


def _comparison(results: Results, control: str) -> Table:
    rows = []
    for measure in measures(results.explainers):
        found = difference(results, measure, REFERENCE, control)
        if found.interval.count:
            seeds = f"{found.agreeing} of {found.seeds}"
            estimate, count = text(found.interval, signed=True), str(found.interval.count)
            rows.append((measure.name, estimate, count, seeds, reading(found, measure)))
    return Table((f"scaat minus {control}", "difference", "pictures", "seeds that agree", "reads as"), rows)


def reading(found: Difference, measure: Measure) -> str:
    """Put a difference into words: in favour of scaat, against it, or not told apart.

    Fewer than :data:`FEWEST_PICTURES` pictures are not read at all.

    Examples:
        >>> change = Measure("change", "stability", "less", ())
        >>> reading(Difference(Interval(-0.2, -0.3, -0.1, 50), seeds=3, agreeing=3), change)
        'for scaat'
        >>> reading(Difference(Interval(-0.2, -0.3, -0.1, 50), seeds=3, agreeing=2), change)
        'seeds disagree'
        >>> reading(Difference(Interval(-0.2, -0.5, 0.1, 50), seeds=3, agreeing=3), change)
        'not told apart'
    """
    if found.interval.count < FEWEST_PICTURES:
        return "too few pictures"
    if not found.interval.excludes_zero:
        return "not told apart"
    if found.agreeing < found.seeds:
        return "seeds disagree"
    more = found.interval.estimate > 0
    if measure.better == "neither":
        return "larger" if more else "smaller"
    return "for scaat" if more == (measure.better == "more") else "against scaat"


def acceptance(results: Results) -> Iterator[Block]:
    """Hold every candidate against what was hoped of it, beside the twin."""
    yield Heading("Against the twin trained without an attack")
    candidates = [arm for arm in results.experiment.candidates if arm in results.arms]
    if not candidates or TWIN not in results.arms:
        yield Paragraph(f"Both are needed: the arm {TWIN} and a candidate, such as {REFERENCE}.")
        return
    for arm in candidates:
        if len(candidates) > 1:
            yield Heading(f"{arm}: {results.experiment.labels[arm]}", 3)
        yield Items(list(_acceptance(results, arm)))


def _acceptance(results: Results, arm: str) -> Iterator[str]:
    found = {
        measure.name: difference(results, measure, arm, TWIN) for measure in measures(results.explainers)
    }
    # The whole interval: an estimate near 0 with a wide one shows nothing.
    kept = found["accuracy"].interval.low >= -ACCURACY_MARGIN
    yield _verdict("accuracy within 1 point", found["accuracy"], reached=kept)
    for explainer in results.explainers:
        sparser = found[f"Gini of {explainer}"]
        yield _verdict(f"Gini of {explainer} up", sparser, reached=sparser.up)
        up = [name for name in OPERATORS if found[f"gain of {explainer}, {name}"].up]
        answer = _answer(sparser.seeds, reached=len(up) >= ENOUGH_OPERATORS)
        yield (
            f"Gain of {explainer} up under at least {ENOUGH_OPERATORS} of {len(OPERATORS)} operators: {answer}; "
            f"{len(up)} ({', '.join(up) or 'none'})."
        )
        located = found[f"mass in boxes, {explainer}"]
        if located.interval.count:
            yield _verdict(f"mass of {explainer} in the boxes up", located, reached=located.up)


def _verdict(what: str, found: Difference, *, reached: bool) -> str:
    answer, estimate = _answer(found.seeds, reached=reached), text(found.interval, signed=True)
    return (
        f"{what[0].upper()}{what[1:]}: {answer}; {estimate}, {found.agreeing} of {found.seeds} seeds agree."
    )


def _answer(seeds: int, *, reached: bool) -> str:
    """Say whether something was reached; one seed alone has been wrong before, with intervals far from 0."""
    if not reached:
        return "not reached"
    return "reached" if seeds > 1 else "reached by the only seed, which is a hint"
