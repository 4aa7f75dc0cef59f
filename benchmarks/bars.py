"""What the project demands of itself, and whether the rows show it; a bar that is missed is shown as missed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.results import Results, Row

OURS = "saliserve"


@dataclass(frozen=True, slots=True)
class Bar:
    """How many times faster than whom.

    Args:
        work: Kind of work.
        model: Architecture.
        rival: Beginning of the contenders' names; the fastest of them counts.
        least: Their time over ours, at least.
    """

    work: str
    model: str
    rival: str
    least: float


BARS = (
    *(Bar("grad_cam", model, "pytorch-grad-cam", 5) for model in ("resnet18", "mobilenet_v3_large")),
    Bar("grad_cam", "efficientnet_lite0", "pytorch-grad-cam", 5),
    Bar("occlusion", "mobilenet_v3_large", "Captum", 2.5),
    Bar("occlusion", "resnet18", "Captum", 1.5),
    Bar("rise", "mobilenet_v3_large", "PyTorch", 2.5),
    Bar("rise", "resnet18", "PyTorch", 1.5),
    Bar("rise", "resnet18", "DIANNA, its defaults", 4),
    Bar("deletion_insertion", "mobilenet_v3_large", "TorchCAM", 2.5),
    Bar("integrated_gradients", "resnet18", "Captum", 1.3),
    Bar("integrated_gradients", "mobilenet_v3_large", "Captum", 1.3),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A bar and what was found.

    Args:
        bar: As demanded.
        found: Their time over ours; None if there is no such time.
    """

    bar: Bar
    found: float | None

    @property
    def outcome(self) -> str:
        """In a word or two."""
        if self.found is None:
            return "not measured"
        return "met" if self.found >= self.bar.least else "**missed**"


def findings(results: Results) -> Iterator[Finding]:
    """Hold the rows against the bars."""
    for bar in BARS:
        name = f"peers/{bar.model}/{bar.work}"
        found = _ratio(results[name], bar.rival) if name in results else None
        yield Finding(bar, found)


def slower(results: Results) -> Iterator[tuple[str, str, float]]:
    """Name every time that is shorter than ours: row, contender, their time over ours."""
    for row in results.under("peers"):
        times = medians(row)
        for name, seconds in times.items():
            if OURS in times and seconds < times[OURS] and not name.startswith(OURS):
                yield f"{row['model']}, {row['work']}", name, seconds / times[OURS]


def medians(row: Row) -> Mapping[str, float]:
    """Seconds by contender, of those that have a time; per forward pass where contenders do not make as many."""
    return {
        line["name"]: line["median_s"] / line.get("forwards", 1)
        for line in row["contenders"]
        if "median_s" in line
    }


def _ratio(row: Row, rival: str) -> float | None:
    times = medians(row)
    rivals = [seconds for name, seconds in times.items() if name.startswith(rival)]
    return min(rivals) / times[OURS] if rivals and OURS in times else None
