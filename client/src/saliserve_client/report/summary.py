"""One pass over a table of any length: counts, distributions, and the rows worth showing."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from saliserve_client.scoring.journal import Row

FAITHFUL = "faithful"


@dataclass
class Histogram:
    """Counts of a number in equal bins; what lies outside is counted in the outermost ones.

    Args:
        low: Where the first bin begins.
        high: Where the last bin ends.
        counts: One per bin.

    Examples:
        >>> histogram = Histogram(-1.0, 1.0, [0, 0, 0, 0])
        >>> for value in (-0.9, 0.1, 0.2, 7.0):
        ...     histogram.add(value)
        >>> histogram.counts
        [1, 0, 2, 1]
    """

    low: float
    high: float
    counts: list[int]

    def add(self, value: float) -> None:
        """Count a value."""
        place = int((value - self.low) / (self.high - self.low) * len(self.counts))
        self.counts[min(max(place, 0), len(self.counts) - 1)] += 1


@dataclass
class ClassSummary:
    """The images that were predicted to be of one class."""

    images: int = 0
    measured: int = 0
    faithful: int = 0
    srg_sum: float = 0.0
    probability_sum: float = 0.0

    def add(self, row: Row) -> None:
        """Count a scored row."""
        self.images += 1
        self.probability_sum += row["probability"]
        if row["srg"] is not None:
            self.measured += 1
            self.faithful += row["verdict"] == FAITHFUL
            self.srg_sum += row["srg"]


@dataclass
class Summary:
    """What a table says as a whole.

    Args:
        worst: How many rows each list of rows keeps.
    """

    worst: int
    images: int = 0
    failed: int = 0
    duplicates: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    classes: dict[str, ClassSummary] = field(default_factory=dict)
    srg: Histogram = field(default_factory=lambda: Histogram(-0.5, 0.5, [0] * 40))
    z: Histogram = field(default_factory=lambda: Histogram(-5.0, 15.0, [0] * 40))
    _least: list[tuple[float, int, Row]] = field(default_factory=list)
    _confident: list[tuple[float, int, Row]] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Take a row in."""
        self.images += 1
        if row["status"] == "failed":
            self.failed += 1
            self.failures[row["error_code"] or "no code"] += 1
            return
        self.duplicates += row["duplicate_of"] is not None
        self.models[f"{row['model_name']} {row['model_version']} ({row['model_sha256'][:12]})"] += 1
        self.classes.setdefault(row["label"], ClassSummary()).add(row)
        if row["verdict"]:
            self._add_measured(row)

    def _add_measured(self, row: Row) -> None:
        self.verdicts[row["verdict"]] += 1
        if row["srg"] is not None:
            self.srg.add(row["srg"])
        if row["z_score"] is not None:
            self.z.add(row["z_score"])
            self._keep(self._least, -row["z_score"], row)
        if row["verdict"] != FAITHFUL:
            self._keep(self._confident, row["probability"], row)

    def _keep(self, heap: list[tuple[float, int, Row]], rank: float, row: Row) -> None:
        # The row's number breaks ties; rows themselves cannot be compared.
        entry = (rank, -self.images, row)
        if len(heap) < self.worst:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)

    @property
    def least_faithful(self) -> list[Row]:
        """Rows with the lowest z, lowest first."""
        return [row for *_, row in sorted(self._least, key=lambda entry: entry[:2], reverse=True)]

    @property
    def confident_unexplained(self) -> list[Row]:
        """Rows that are not faithful, the most confident first."""
        return [row for *_, row in sorted(self._confident, key=lambda entry: entry[:2], reverse=True)]


def summarise(rows: Iterable[Row], *, worst: int) -> Summary:
    """Read a table once.

    Args:
        rows: With the columns of :mod:`saliserve_client.scoring.rows`.
        worst: How many rows each contact sheet shows.
    """
    summary = Summary(worst)
    for row in rows:
        summary.add(row)
    return summary
