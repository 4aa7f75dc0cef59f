"""How many masks RISE needs: as published, and with each reduction of its variance.

    python -m benchmarks.rise_convergence [--model cifar10-standard]

A map of n masks is compared with one of 16,000 other masks by Spearman's rank correlation over the pixels; what
counts is the first n at which the correlation, averaged over the runs, is 0.95. The reference is made by the
estimator with the smallest error (``adjusted``); all of them aim at the same map, but for a constant. A row per photograph is
kept, so that an interrupted run goes on.
"""

import argparse
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.models import load_model, subject_of
from benchmarks.photos import PHOTOS, photo
from benchmarks.results import Results, Row
from service.explain.grid_masks import GridMasks
from service.explain.rise import covered
from service.explain.rise_estimators import Name
from service.explain.rise_map import RiseMap
from service.explain.sampling import Samples, sample
from service.explain.subject import Subject
from service.runtime.drive import drive
from service.runtime.plan import Plan

GOAL = 0.95
REFERENCE_MASKS = 16_000
REFERENCE_SEED = 99
RUNS = 2
CELLS, KEEP = 8, 0.5
MOST: Mapping[str, int] = {"independent": 8000, "opposites": 4000}
VARIANTS: tuple[tuple[str, str, Name], ...] = (
    ("plain, as published", "independent", "plain"),
    ("centred", "independent", "centred"),
    ("in pairs of opposites", "opposites", "centred"),
    ("adjusted", "independent", "adjusted"),
    ("adjusted, in pairs (ours)", "opposites", "adjusted"),
)
COUNTS = np.unique(np.round(np.geomspace(50, 8000, 60) / 10).astype(int) * 10)


def main() -> None:
    """Measure all photographs, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="cifar10-standard")
    parser.add_argument("--photos", nargs="+", default=PHOTOS)
    arguments = parser.parse_args()
    results, model = Results(), load_model(arguments.model)
    rows = []
    for name in arguments.photos:
        key = f"rise_convergence/{arguments.model}/{name}"
        if key not in results:
            results.save(key, measured(subject_of(model, photo(name))))
        rows.append(results[key])
    print(table(rows))


def measured(subject: Subject) -> Row:
    """Find the number of masks of every variant for one photograph."""
    reference_masks = drawn(subject, "independent", REFERENCE_MASKS, REFERENCE_SEED)
    reference, _ = RiseMap(reference_masks, "adjusted").map(answers(subject, reference_masks))
    runs = {
        (kind, seed): (masks := drawn(subject, kind, most, seed), answers(subject, masks))
        for kind, most in MOST.items()
        for seed in range(RUNS)
    }
    masks_needed: dict[str, int | None] = {}
    for label, kind, estimator in VARIANTS:
        curves = [correlations(*runs[kind, seed], estimator, reference, MOST[kind]) for seed in range(RUNS)]
        reached = np.mean(curves, axis=0) >= GOAL
        masks_needed[label] = int(COUNTS[reached.argmax()]) if reached.any() else None
    return {"target": subject.target, "masks": masks_needed, "most": dict(MOST)}


def drawn(subject: Subject, kind: str, count: int, seed: int) -> GridMasks:
    """Draw masks, independent ones or pairs of opposites."""
    model = subject.model
    return GridMasks.draw(
        model.height, model.width, cells=CELLS, keep=KEEP, count=count, seed=seed, paired=kind == "opposites"
    )


def answers(subject: Subject, masks: GridMasks) -> NDArray[np.float64]:
    """Ask the model about every mask."""

    def plan() -> Plan[Samples]:
        images = covered(subject, masks, "channel_mean")
        return (yield from sample(subject, images, len(masks), scalar="probability"))

    return drive(plan(), subject.model).values


def correlations(
    masks: GridMasks, values: NDArray[np.float64], estimator: Name, reference: NDArray[np.float32], most: int
) -> NDArray[np.float64]:
    """Compare the maps of the first masks with the reference; nothing beyond *most* is reached."""
    estimate, found = RiseMap(masks, estimator), np.full(len(COUNTS), -1.0)
    for place, count in enumerate(COUNTS[most >= COUNTS]):
        got, _ = estimate.map(values[:count])
        found[place] = spearmanr(got.ravel(), reference.ravel()).statistic
    return found


def table(rows: list[Row]) -> str:
    """A line per photograph, and the median ratio to the published estimator."""
    labels = [label for label, *_ in VARIANTS]
    lines = ["| photograph | " + " | ".join(labels) + " |", "|---" * (1 + len(labels)) + "|"]
    for row in rows:
        needed = (row["masks"][label] for label in labels)
        lines.append(f"| {row['name'].rpartition('/')[2]} | " + " | ".join(map(_count, needed)) + " |")
    plain = labels[0]
    ratios = [_ratio([_share(row, label, plain) for row in rows]) for label in labels]
    lines.append("| median share of plain | " + " | ".join(ratios) + " |")
    return "\n".join(lines)


def _share(row: Row, label: str, plain: str) -> float:
    needed, published = row["masks"][label], row["masks"][plain]
    if needed is None:
        return np.inf
    return needed / (published or row["most"]["independent"])


def _ratio(shares: list[float]) -> str:
    middle = float(np.median(shares))
    return f"{middle:.2f}" if np.isfinite(middle) else "not reached"


def _count(needed: int | None) -> str:
    return "not reached" if needed is None else str(needed)


if __name__ == "__main__":
    main()
