"""Compare contestants over the images that all of them were measured on.

The rule for a winner: on at least ten common images and under at least two valid operators, the paired interval of
its mean minus each rival's lies above 0, for every rival and under every one of these operators. Otherwise the
outcome is *no robust winner*, with what stands against it.

An operator is valid if it counts in every contestant's receipt on at least ten, and on at least half, of the common
images; only those enter its means. An operator that a method was made with does not count in that method's
receipt, so it judges nobody.

Within a model contestants are compared by SRG. Across models only by the gain, SRG over the probability at stake
(what the model gives the target on the whole image minus what it keeps when everything is removed): 0 is chance and
1 the best conceivable for each of them. An image counts under an operator only where at least 0.1 of probability is at
stake for each, so that no ratio of two small numbers decides a mean. Raw SRG is refused there, because a less confident
model has less to lose.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations

from saliserve_client.dataset.agreement import kendalls_w
from saliserve_client.dataset.resampling import Interval, intervals
from saliserve_client.dataset.scores import Contestant, Measure, Receipts, Score, Scores, collect
from saliserve_client.errors import FileError, OptionError
from saliserve_client.scoring.journal import Row

FEWEST_IMAGES = 10
"""Percentile intervals of fewer values are far too narrow."""

FEWEST_OPERATORS = 2

CONCORDANT = 0.6
"""Kendall's W from which on the operators are said to agree on the order. Below it no order should be read."""


@dataclass(frozen=True)
class Judgement:
    """What one operator says.

    Args:
        operator: Its name.
        images: On how many common images it counts for everybody.
        valid: Whether that is enough.
        means: Of each contestant; empty if it is not valid.
        differences: Of each ordered pair of contestants, by their numbers: the first minus the second.
    """

    operator: str
    images: int
    valid: bool
    means: tuple[Interval, ...]
    differences: dict[tuple[int, int], Interval]


@dataclass(frozen=True)
class Comparison:
    """What a data set says of several contestants.

    Args:
        measure: What was averaged.
        protocol: Name and version of the receipts' protocol.
        contestants: In order of appearance.
        names: What to call them.
        images: Measured for all contestants, of the same class.
        left_out: Images that some contestant was not measured on, or that explain different classes.
        judgements: One per operator.
        spread: Of each contestant, largest minus smallest mean over the valid operators.
        kendalls_w: Agreement of the valid operators on the order; None if there is nothing to agree on.
        winner: Number of the winner; None if there is no robust one.
        reason: Why.
    """

    measure: Measure
    protocol: str
    contestants: tuple[Contestant, ...]
    names: tuple[str, ...]
    images: int
    left_out: int
    judgements: tuple[Judgement, ...]
    spread: tuple[float, ...]
    kendalls_w: float | None
    winner: int | None
    reason: str

    @property
    def outcome(self) -> str:
        """The winner's name, or ``no robust winner``."""
        return "no robust winner" if self.winner is None else self.names[self.winner]


def compare(
    rows: Iterable[Row], *, measure: Measure | None = None, seed: int = 0, resamples: int | None = None
) -> Comparison:
    """Compare the contestants of one or several scored tables.

    Args:
        rows: Of all tables, with the columns of :mod:`saliserve_client.scoring.rows`.
        measure: ``srg`` within a model, ``gain`` also across models; without it, whichever is right.
        seed: Of the resampling; the same seed gives the same intervals.
        resamples: Of the bootstrap; as many as are affordable if None.

    Raises:
        FileError: The tables hold no receipts, or such as do not compare.
        OptionError: Raw SRG was asked for across models.
    """
    scores = collect(rows)
    protocol = _one_protocol(scores)
    contestants = tuple(scores.contestants)
    chosen = _measure(contestants, measure)
    images, left_out = _common(contestants, scores.contestants)
    receipts = [scores.contestants[one] for one in contestants]
    judgements = tuple(
        _judge(operator, receipts, images, chosen, seed=seed, resamples=resamples)
        for operator in _operators(receipts)
    )
    valid = [one for one in judgements if one.valid]
    names = _names(contestants)
    winner, reason = _decide(valid, names, len(images))
    return Comparison(
        measure=chosen,
        protocol=protocol,
        contestants=contestants,
        names=names,
        images=len(images),
        left_out=left_out,
        judgements=judgements,
        spread=tuple(
            _spread([one.means[number].mean for one in valid]) for number in range(len(contestants))
        ),
        kendalls_w=kendalls_w([[mean.mean for mean in one.means] for one in valid]),
        winner=winner,
        reason=reason,
    )


def _one_protocol(scores: Scores) -> str:
    if not scores.contestants:
        raise FileError("no receipts in the tables; score them with --receipt fast or full")
    if len(scores.protocols) > 1:
        raise FileError(
            f"the receipts are of different protocols ({', '.join(sorted(scores.protocols))}), which do not compare; "
            "score all tables with the same --receipt and the same version of the service"
        )
    return next(iter(scores.protocols))


def _measure(contestants: Sequence[Contestant], measure: Measure | None) -> Measure:
    across = len({one.model_sha256 for one in contestants}) > 1
    if across and measure == "srg":
        raise OptionError(
            "SRG does not compare across models: a less confident model has less probability to lose, whatever its "
            "maps are worth. Use --measure gain, which is SRG over the probability at stake.",
            where="measure",
        )
    return measure or ("gain" if across else "srg")


def _common(contestants: Sequence[Contestant], receipts: dict[Contestant, Receipts]) -> tuple[list[str], int]:
    """Find the images that all have, explained for the same class by contestants of the same model."""
    counts = Counter(image for one in contestants for image in receipts[one].scores)
    common = []
    for image, count in counts.items():
        targets = {(one.model_sha256, receipts[one].targets.get(image)) for one in contestants}
        if count == len(contestants) and len(targets) == len({one.model_sha256 for one in contestants}):
            common.append(image)
    return sorted(common), len(counts) - len(common)


def _operators(receipts: Sequence[Receipts]) -> list[str]:
    return list(dict.fromkeys(name for one in receipts for scores in one.scores.values() for name in scores))


def _judge(
    operator: str,
    receipts: Sequence[Receipts],
    images: Sequence[str],
    measure: Measure,
    *,
    seed: int,
    resamples: int | None,
) -> Judgement:
    kept: list[list[Score]] = []
    for image in images:
        found = [one.scores[image].get(operator) for one in receipts]
        counted = [score for score in found if score is not None and score.counts_for(measure)]
        if len(counted) == len(receipts):
            kept.append(counted)
    if len(kept) < max(FEWEST_IMAGES, len(images) / 2):
        return Judgement(operator, len(kept), valid=False, means=(), differences={})
    values = [[getattr(scores[number], measure) for scores in kept] for number in range(len(receipts))]
    pairs = [(first, second) for first, second in permutations(range(len(values)), 2) if first < second]
    differences = [
        [a - b for a, b in zip(values[first], values[second], strict=True)] for first, second in pairs
    ]
    found_intervals = intervals([*values, *differences], seed=seed, resamples=resamples)
    both: dict[tuple[int, int], Interval] = {}
    for (first, second), one in zip(pairs, found_intervals[len(values) :], strict=True):
        both[first, second] = one
        both[second, first] = Interval(-one.mean, -one.high, -one.low)
    return Judgement(operator, len(kept), valid=True, means=found_intervals[: len(values)], differences=both)


def _decide(valid: Sequence[Judgement], names: Sequence[str], images: int) -> tuple[int | None, str]:
    if len(names) == 1:
        return None, "there is only one contestant"
    if images < FEWEST_IMAGES:
        return None, f"{images} images in common are too few; at least {FEWEST_IMAGES} are needed"
    if len(valid) < FEWEST_OPERATORS:
        return None, f"{len(valid)} operators are valid for everybody; at least {FEWEST_OPERATORS} must agree"
    best = max(range(len(names)), key=lambda number: sum(one.means[number].mean for one in valid))
    against = [
        f"under {one.operator} it is not above {names[rival]} ({_told(one.differences[best, rival])})"
        for one in valid
        for rival in range(len(names))
        if rival != best and one.differences[best, rival].low <= 0
    ]
    if against:
        more = f", and {len(against) - 1} more of this kind" if len(against) > 1 else ""
        return None, f"{names[best]} has the highest mean, but {against[0]}{more}"
    rivals = "its rival" if len(names) == 2 else f"each of {len(names) - 1} rivals"  # noqa: PLR2004
    return (
        best,
        f"above {rivals} under every one of {len(valid)} operators, by paired intervals over the images",
    )


def _told(interval: Interval) -> str:
    return f"{interval.mean:+.3f}, interval {interval.low:+.3f} to {interval.high:+.3f}"


def _spread(values: Sequence[float]) -> float:
    return max(values) - min(values) if values else 0.0


def _names(contestants: Sequence[Contestant]) -> tuple[str, ...]:
    """Say of each what tells it from the others: the method, and what else differs."""
    options = [json.loads(one.parameters) for one in contestants]
    parts = []
    for one, own in zip(contestants, options, strict=True):
        name = one.method
        if len({other.model_sha256 for other in contestants}) > 1:
            same = len({other.model_sha256 for other in contestants if other.model == one.model}) > 1
            name = f"{one.model}{f' ({one.model_sha256[:12]})' if same else ''}: {name}"
        alike = [
            other
            for rival, other in zip(contestants, options, strict=True)
            if (rival.method, rival.model_sha256) == (one.method, one.model_sha256)
        ]
        told = [f"{key}={own[key]}" for key in own if any(other.get(key) != own[key] for other in alike)]
        if len(alike) > 1 and not told:
            told = [f"seed={one.seed}"]
        parts.append(" ".join([name, *told]))
    return tuple(parts)
