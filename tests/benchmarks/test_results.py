"""Results on disk."""

from pathlib import Path

import pytest

from benchmarks.results import Results


def test_a_finished_row_is_found_again_and_an_unfinished_one_is_not(tmp_path: Path) -> None:
    """That is all that resuming needs."""
    results = Results(tmp_path)
    results.save("resnet18/gradient", {"seconds": [1.0]})

    again = Results(tmp_path)

    assert "resnet18/gradient" in again
    assert "resnet18/grad_cam" not in again
    assert again["resnet18/gradient"]["seconds"] == [1.0]
    assert [row["name"] for row in again.under("resnet18")] == ["resnet18/gradient"]


def test_a_row_that_cannot_be_written_leaves_no_file(tmp_path: Path) -> None:
    """Half a file would be skipped as finished by the next run."""
    with pytest.raises(TypeError):
        Results(tmp_path).save("row", {"seconds": object()})

    assert "row" not in Results(tmp_path)


def test_a_row_says_when_and_under_which_load_it_was_measured(tmp_path: Path) -> None:
    """On a busy machine a time without the load means nothing."""
    row = Results(tmp_path).save("row", {})

    assert row["load"] >= 0
    assert row["date"].endswith("UTC")
    assert row["machine"]["cores"]
