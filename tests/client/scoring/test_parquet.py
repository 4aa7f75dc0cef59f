import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from saliserve_client import errors
from saliserve_client.scoring import parquet
from saliserve_client.scoring.job import Job
from saliserve_client.scoring.output import journal_path
from saliserve_client.scoring.rows import COLUMNS
from saliserve_client.scoring.sources import Source

from tests.client.scoring.stand_in import Service, refusal, rows, score


@pytest.fixture
def job(photos: Path, tmp_path: Path) -> Job:
    return Job(Source(str(photos)), tmp_path / "out.parquet", explain=False)


def test_the_table_holds_what_the_journal_holds(job: Job) -> None:
    score(job, Service(lambda data, _: refusal(422, "empty_image") if data == b"picture 7" else None))

    journal = rows(journal_path(job.out))
    assert pq.read_table(job.out).to_pylist() == journal
    assert list(parquet.read(job.out)) == journal
    assert len(journal) == 40


def test_the_schema_does_not_depend_on_the_rows(job: Job, photos: Path, tmp_path: Path) -> None:
    """A column of nothing but nulls must not change its type, or two tables cannot be read together."""
    score(job, Service())
    for path in photos.iterdir():
        path.write_bytes(b"")
    only_failures = replace(job, out=tmp_path / "failures.parquet")
    score(only_failures, Service(lambda *_: refusal(422, "empty_image")))

    assert pq.read_schema(job.out).equals(pq.read_schema(only_failures.out), check_metadata=True)
    assert pq.read_schema(job.out).names == [column.name for column in COLUMNS]


def test_a_run_that_was_stopped_has_no_table_yet(job: Job) -> None:
    """A table that is there is whole."""
    with pytest.raises(errors.AuthenticationError):
        score(
            job, Service(lambda data, _: refusal(401, "unauthenticated") if data == b"picture 20" else None)
        )
    assert not job.out.exists()

    score(job, Service())

    assert pq.read_metadata(job.out).num_rows == 40


def test_a_file_that_is_no_parquet_says_so(tmp_path: Path) -> None:
    (tmp_path / "table.parquet").write_bytes(b"PAR0")

    with pytest.raises(errors.FileError, match="cannot be read as Parquet"):
        list(parquet.read(tmp_path / "table.parquet"))


def test_a_missing_pyarrow_is_told_before_the_run(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not after ten hours of it."""
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    service = Service()

    with pytest.raises(errors.MissingPackageError, match=r"saliserve-client\[parquet\]"):
        score(job, service)

    assert not service.sent


KILLED = """
import os, pathlib, signal, sys
from saliserve_client.scoring import parquet
pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
parquet.write(pathlib.Path(sys.argv[1]), [])
"""


def test_a_table_whose_writing_was_killed_leaves_nothing_behind(job: Job) -> None:
    """Gigabytes, with ten million rows; the process that goes on has another number."""
    score(job, Service(), finish=False)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(job.out)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert list(job.out.parent.glob(".*"))

    score(job, Service())

    assert pq.read_metadata(job.out).num_rows == 40
    assert list(job.out.parent.glob(".*")) == []
