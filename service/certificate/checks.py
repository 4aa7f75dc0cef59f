"""From what was measured on each picture to the outcome of each check; docs/certificates.md has the rules."""

from collections.abc import Mapping, Sequence

import numpy as np

from service.bundle.certificate import Check, CheckName, Outcome
from service.certificate.interval import Interval, bootstrap

MOST_ALIKE = 0.5
"""Mean rank correlation over the cascade from which on a map is not said to depend on what was learnt: at 0.5 a
quarter of the variance of the ranks is shared."""

MOST_ALIKE_CLASSES = 0.9
"""Rank correlation of two classes' maps from which on they are not said to tell the classes apart. Two classes may
rest on the same object, so it is laxer: 0.81 of the variance."""


FEWEST = 6
"""Values that can decide anything at 95 %: five lie on the same side of their median once in sixteen times."""


def judge(
    values: Sequence[float],
    random: np.random.Generator,
    *,
    threshold: float,
    above_passes: bool,
    floor: float | None,
    definition: str,
    note: str = "",
) -> Check:
    """Compare the interval of a mean with a threshold.

    It passes if the whole interval lies on the passing side, fails if it lies on the other side or on the
    threshold, and is inconclusive otherwise, and if there are fewer than six values: no resample leaves their range.

    Args:
        values: One per picture.
        random: Of the bootstrap.
        threshold: Where the sides part.
        above_passes: Which side passes.
        floor: See :class:`Check`.
        definition: See :class:`Check`.
        note: See :class:`Check`.

    Examples:
        >>> judge([0.2, 0.3] * 3, np.random.default_rng(0), threshold=0.5, above_passes=False, floor=None,
        ...       definition="below passes").verdict
        'pass'
    """
    if not len(values):
        return unmeasured(
            "inconclusive", threshold=threshold, definition=definition, note=note or "nothing was measured"
        )
    interval = bootstrap(values, random)
    few = len(values) < FEWEST
    return Check(
        verdict="inconclusive" if few else _outcome(interval, threshold, above_passes=above_passes),
        value=short(interval.mean),
        low=short(interval.low),
        high=short(interval.high),
        threshold=threshold,
        floor=None if floor is None else short(floor),
        count=len(values),
        definition=definition,
        note="; ".join(filter(None, [note, f"{len(values)} are too few to decide" if few else ""])),
    )


def unmeasured(verdict: Outcome, *, threshold: float, definition: str, note: str) -> Check:
    """Say why there is no number."""
    return Check(verdict=verdict, value=None, threshold=threshold, count=0, definition=definition, note=note)


def explained(checks: Mapping[CheckName, Check]) -> str:
    """Say in a sentence what the checks found."""
    by_outcome: dict[Outcome, list[str]] = {}
    for name, check in checks.items():
        by_outcome.setdefault(check.verdict, []).append(name)
    parts = [
        f"{', '.join(by_outcome[outcome])} {words}"
        for outcome, words in (
            ("fail", "failed"),
            ("pass", "passed"),
            ("inconclusive", "could not be decided on these pictures"),
            ("not applicable", "cannot be asked of this model"),
        )
        if outcome in by_outcome
    ]
    return f"{'; '.join(parts)}."


def short(value: float) -> float:
    """Keep four significant digits; further ones differ from machine to machine."""
    return float(f"{value:.4g}")


def _outcome(interval: Interval, threshold: float, *, above_passes: bool) -> Outcome:
    low, high = (
        end - threshold if above_passes else threshold - end for end in (interval.low, interval.high)
    )
    worst, best = min(low, high), max(low, high)
    if worst > 0:
        return "pass"
    return "fail" if best <= 0 else "inconclusive"
