"""How rows are held against what the project demands."""

from pathlib import Path

from benchmarks.bars import findings, medians, slower
from benchmarks.results import Results


def _row(results: Results, model: str, work: str, **medians: float) -> None:
    contenders = [{"name": name.replace("_", " "), "median_s": seconds} for name, seconds in medians.items()]
    results.save(f"peers/{model}/{work}", {"model": model, "work": work, "contenders": contenders})


def test_a_bar_counts_the_rivals_best_time(tmp_path: Path) -> None:
    """Captum's default batch of one would be an easy rival; its fastest setting is what is demanded."""
    results = Results(tmp_path)
    _row(results, "resnet18", "occlusion", saliserve=1.0, Captum_slow=3.0, Captum_best=1.4)

    [found] = [one for one in findings(results) if one.found is not None]

    assert found.found == 1.4
    assert found.outcome == "**missed**"


def test_whoever_is_faster_than_ours_is_named(tmp_path: Path) -> None:
    """A page that shows only wins is an advertisement."""
    results = Results(tmp_path)
    _row(results, "resnet18", "gradient", saliserve=1.0, PyTorch=0.9, Captum=2.0)

    assert list(slower(results)) == [("resnet18, gradient", "PyTorch", 0.9)]


def test_metrics_that_ask_the_model_differently_often_are_compared_per_pass(tmp_path: Path) -> None:
    """A metric of 56 passes takes less time than a receipt of 996 and is no faster for it."""
    contenders = [
        {"name": "saliserve", "median_s": 9.96, "forwards": 996},
        {"name": "TorchCAM", "median_s": 1.12, "forwards": 56},
        {"name": "saliserve, receipt=fast", "median_s": 0.315, "forwards": 63},
    ]
    results = Results(tmp_path)
    results.save("peers/resnet18/receipt", {"model": "resnet18", "work": "receipt", "contenders": contenders})

    assert medians(results["peers/resnet18/receipt"]) == {
        "saliserve": 0.01,
        "TorchCAM": 0.02,
        "saliserve, receipt=fast": 0.005,
    }
    assert list(slower(results)) == []
