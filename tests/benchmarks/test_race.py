"""The suite's own machinery, with contenders that are made up."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import Cell, due
from benchmarks.contender import Contenders, Peer
from benchmarks.race import race
from benchmarks.results import Results
from tests.server import LONGEST_S

WORKS = frozenset({"gradient", "occlusion"})
FAKE = Peer("tests.benchmarks.fake_peer", "fake", Path(sys.executable), WORKS)
MISSING = Peer("tests.benchmarks.fake_peer", "not there", Path("nowhere/bench-absent/bin/python"), WORKS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "facts.json").write_text(json.dumps({"architecture": "none", "target": 0}))
    return tmp_path


def test_a_race_times_who_can_run_and_says_why_the_others_cannot(folder: Path) -> None:
    """A peer that fails or is not installed is a row that says so, never the end of the whole run."""
    with (
        Contenders(FAKE, folder / "fake.log", LONGEST_S, 1) as fake,
        Contenders(MISSING, folder / "missing.log", LONGEST_S, 1) as missing,
    ):
        row = race("gradient", folder, {"steps": 7}, [fake, missing], rounds=3, threads=1)

    good, bad, absent = row["contenders"]
    assert len(good["seconds"]) == 3
    assert good["median_s"] > 0
    assert bad["refused"] == "IndexError: it cannot take three channels"
    assert absent["refused"] == "not installed: no bench-absent"


def test_who_takes_too_long_is_out(folder: Path) -> None:
    """One endless peer must not hold the suite for ever."""
    with Contenders(FAKE, folder / "fake.log", LONGEST_S, 1) as fake:
        fake.start()
        fake.timeout_s = 0.5
        row = race("occlusion", folder, {"steps": 1}, [fake], rounds=1, threads=1)

    assert row["contenders"][0]["refused"].startswith("no answer within 0.5 s")


def test_a_peer_takes_no_part_in_what_it_cannot_do(folder: Path) -> None:
    """A missing environment is no news in a row to which it had nothing to add."""
    with Contenders(MISSING, folder / "missing.log", LONGEST_S, 1) as missing:
        row = race("receipt", folder, {}, [missing], rounds=1, threads=1)

    assert row["contenders"] == []


def test_a_second_run_measures_only_what_is_missing_or_uncertain(tmp_path: Path) -> None:
    """An interrupted suite goes on; a time that spreads widely is measured again when asked to."""
    results = Results(tmp_path)
    cell, uncertain = Cell("resnet18", "gradient", {}), Cell("resnet18", "grad_cam", {})
    results.save(
        cell.name, {"contenders": [{"name": "saliserve", "spread": 0.02}, {"name": "x", "refused": "no"}]}
    )
    results.save(uncertain.name, {"contenders": [{"name": "saliserve", "spread": 0.4}]})

    assert not due(results, cell, None)
    assert not due(results, uncertain, None)
    assert due(results, uncertain, 0.15)
    assert not due(results, cell, 0.15)
    assert due(results, Cell("resnet18", "rise", {}), None)
