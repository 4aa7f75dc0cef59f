"""What receipts say of each contestant on each image, under each removal operator."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from saliserve_client.errors import FileError
from saliserve_client.scoring.journal import Row

Measure = Literal["srg", "gain"]

LEAST_AT_STAKE = 0.1
"""Of a gain: below this it is a ratio of two small numbers, and one image would decide a mean. The same as in
training's reports. A receipt's own verdict asks for 0.02, because it tests against chance and divides by nothing."""


@dataclass(frozen=True, order=True)
class Contestant:
    """A method with its options, on a model.

    Args:
        model: Name and version.
        model_sha256: Its digest.
        method: Of explanation.
        parameters: As JSON.
        seed: Of everything random.
    """

    model: str
    model_sha256: str
    method: str
    parameters: str
    seed: int


@dataclass(frozen=True)
class Score:
    """One operator on one image.

    Args:
        srg: Area between the curves, in probability; 0 is chance.
        at_stake: What the target loses when everything is removed, in probability.
        counted: Whether the receipt's verdict rests on it.

    Examples:
        >>> timid = Score(srg=0.02, at_stake=0.04, counted=True)
        >>> timid.gain, timid.counts_for("srg"), timid.counts_for("gain")
        (0.5, True, False)
    """

    srg: float
    at_stake: float
    counted: bool

    @property
    def gain(self) -> float:
        """SRG over the probability at stake, so that models can be compared."""
        return self.srg / self.at_stake

    def counts_for(self, measure: Measure) -> bool:
        """Tell whether it enters means of a measure: a gain only if :data:`LEAST_AT_STAKE` is at stake."""
        return self.counted and (measure == "srg" or self.at_stake >= LEAST_AT_STAKE)


@dataclass(frozen=True)
class Receipts:
    """Of one contestant.

    Args:
        scores: By image and operator.
        targets: Class index that was explained, by image.
    """

    scores: dict[str, dict[str, Score]] = field(default_factory=dict)
    targets: dict[str, int] = field(default_factory=dict)


@dataclass
class Scores:
    """Everything that was read.

    Args:
        contestants: In order of appearance.
        protocols: Name and version of the protocols met; one, or nothing can be compared.
    """

    contestants: dict[Contestant, Receipts] = field(default_factory=dict)
    protocols: set[str] = field(default_factory=set)


def collect(rows: Iterable[Row]) -> Scores:
    """Read the receipts of scored rows.

    Rows without a receipt are skipped, and so are images of the same content as an earlier one: they would count
    twice in every interval.

    Raises:
        FileError: A receipt is not of the shape that `score` writes.
    """
    scores = Scores()
    for row in rows:
        if row["status"] != "scored" or not row["receipt"] or row["duplicate_of"]:
            continue
        try:
            _add(scores, row)
        except (ValueError, KeyError, TypeError) as error:
            raise FileError(
                f"the receipt of {row['image']} cannot be read ({error!r}); expected a table that "
                "`saliserve score` wrote"
            ) from error
    return scores


def _add(scores: Scores, row: Row) -> None:
    if row["method"] is None:
        raise ValueError("no method beside it")
    receipt = json.loads(row["receipt"])
    protocol = receipt["protocol"]
    scores.protocols.add(f"{protocol['name']} {protocol['version']}")
    contestant = Contestant(
        f"{row['model_name']} {row['model_version']}",
        row["model_sha256"],
        row["method"],
        row["parameters"] or "{}",
        row["seed"] or 0,
    )
    receipts = scores.contestants.setdefault(contestant, Receipts())
    image = row["sha256"] or row["image"]
    if image not in receipts.scores:
        receipts.targets[image] = row["target_index"]
        receipts.scores[image] = {
            one["name"]: _score(one, receipt["summary"]) for one in receipt["operators"]
        }


def _score(operator: Mapping[str, Any], summary: Mapping[str, Any]) -> Score:
    counted = bool(operator["counted"])
    at_stake = summary["probability"] - operator["baseline"]["target_probability"] if counted else 0.0
    srg = float(operator["srg"])
    return Score(srg, at_stake, counted and at_stake > 0)
