"""The page's section on the engine: every line says whether its bar is met."""

from pathlib import Path

import pytest

from benchmarks.report_service import engine
from benchmarks.results import Results

DEADLINE = {
    "answered": 100,
    "micro_batch_ms": 5.0,
    "late_micro_batches_median": -0.5,
    "late_micro_batches_p95": 0.4,
}


def test_nothing_measured_is_no_section(tmp_path: Path) -> None:
    assert list(engine(Results(tmp_path))) == []


@pytest.mark.parametrize(("latest_ms", "outcome"), [(4.0, "met"), (6.0, "**missed**")])
def test_the_latest_of_all_answers_decides_about_deadlines(
    tmp_path: Path, latest_ms: float, outcome: str
) -> None:
    """The demand is a hundred in a row, so neither median nor p95 will do."""
    results = Results(tmp_path)
    results.save("deadline/model", {**DEADLINE, "late_ms_most": latest_ms})
    (line,) = [line for line in engine(results) if line.startswith("| deadline")]
    assert f"| -0.5, 0.4, {latest_ms / 5:.2f} | 1 | {outcome} |" in line


@pytest.mark.parametrize(("wall", "threads", "outcome"), [(0.9, 1, "met"), (0.85, 2, "**missed**")])
def test_the_client_is_held_against_the_engine(
    tmp_path: Path, wall: float, threads: int, outcome: str
) -> None:
    results = Results(tmp_path)
    rates = {"client": 100 * wall, "in process": 100.0}
    results.save(
        f"client_throughput/explain, grad_cam, {threads} threads",
        {"images_per_s": rates, "wall": wall, "threads": threads},
    )
    (line,) = [line for line in engine(results) if line.startswith("| client_throughput")]
    assert "explain, grad_cam: images per second" in line
    assert f"= {wall:.2f} | 0.9 | {outcome} |" in line
