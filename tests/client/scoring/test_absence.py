"""A file that cannot be read has a row; a source that is gone stops the run, and what it held is scored later."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from saliserve_client import AsyncClient, errors
from saliserve_client.scoring.absence import MOST_AT_FIRST
from saliserve_client.scoring.item import Item
from saliserve_client.scoring.job import Job
from saliserve_client.scoring.sources import Source
from saliserve_client.scoring.worker import ROW, STOP, Worker

from tests.client.scoring.stand_in import Service, rows, score


@pytest.fixture
def job(photos: Path, tmp_path: Path) -> Job:
    return Job(Source(str(photos)), tmp_path / "out.jsonl", explain=False, concurrency=4)


def listed(job: Job, *names: str) -> Job:
    """The same run over a list beside the photos."""
    path = job.out.with_name("list.txt")
    path.write_text("".join(f"photos/{name}\n" for name in names))
    return replace(job, source=Source(str(path)))


ALL = [f"{number:02}.jpg" for number in range(40)]
GONE = [f"gone-{number:04}.jpg" for number in range(MOST_AT_FIRST + 1)]


def unmounting(photos: Path, *, after: int) -> Service:
    """A service that is asked so often before the share with the photos goes away: its place stays, empty."""
    service = Service()

    def unmount(*_: object) -> None:
        if service.sent.total() >= after and not photos.with_name("elsewhere").exists():
            photos.rename(photos.with_name("elsewhere"))
            photos.mkdir()

    service.misbehave = unmount
    return service


def mount_again(photos: Path) -> None:
    shutil.rmtree(photos)
    photos.with_name("elsewhere").rename(photos)


@pytest.mark.parametrize("after", [5, 30])
def test_a_share_that_goes_away_stops_the_run_and_costs_no_image(job: Job, photos: Path, after: int) -> None:
    """With more left than make it a habit, and with fewer."""
    with pytest.raises(errors.FileError, match=r"Is the folder or share still there\?.*no such file"):
        score(job, unmounting(photos, after=after), finish=False)
    assert {row["status"] for row in rows(job.out)} == {"scored"}
    assert after <= len(rows(job.out)) < after + job.concurrency

    mount_again(photos)
    score(job, Service())

    assert sorted(row["image"] for row in rows(job.out)) == ALL
    assert {row["status"] for row in rows(job.out)} == {"scored"}


def test_a_share_that_is_still_away_stops_the_next_start_too(job: Job, photos: Path) -> None:
    """A list knows its names without the share; the images that were scored before are not there either."""
    job = listed(job, *ALL)
    with pytest.raises(errors.FileError):
        score(job, unmounting(photos, after=35), finish=False)
    before = job.out.read_bytes()

    with pytest.raises(errors.FileError, match="which could be before"):
        score(job, Service(), finish=False)

    assert job.out.read_bytes() == before


def test_many_deleted_files_in_a_row_among_others_have_their_rows(job: Job) -> None:
    """More than stop a run whose source is gone, in the middle and at the end of a list."""
    deleted = GONE[: 2 * job.breaker]

    score(listed(job, *ALL[:20], *deleted[: job.breaker], *ALL[20:], *deleted[job.breaker :]), Service())

    found = rows(job.out)
    assert len(found) == 80
    assert {row["image"] for row in found if row["status"] == "failed"} == {
        f"photos/{one}" for one in deleted
    }


def test_a_list_may_begin_with_deleted_files(job: Job) -> None:
    """They wait for the first that can be read, and are not taken for a source that is gone."""
    score(listed(job, *GONE[:100], "01.jpg"), Service())

    assert len(rows(job.out)) == 101


@pytest.mark.parametrize("names", [GONE[:20], GONE])
def test_a_list_of_which_nothing_can_be_read_is_no_table_of_failures(job: Job, names: list[str]) -> None:
    """Written in another folder, or for another machine."""
    with pytest.raises(errors.FileError, match="images in a row"):
        score(listed(job, *names), Service(), finish=False)

    assert not job.out.exists()


def test_a_few_files_of_which_none_can_be_read_have_rows(job: Job) -> None:
    score(listed(job, *GONE[:3]), Service())

    assert [row["error_code"] for row in rows(job.out)] == ["unreadable_file"] * 3


def test_what_could_not_be_read_for_a_while_is_scored(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A share that hiccups: eight reads fail, of images and of the witness in turn."""
    job = replace(job, concurrency=1)
    read, reads = Item.read, iter(range(10_000))

    def hiccup(self: Item) -> object:
        if 10 <= next(reads) < 18:
            raise errors.FileError(f"{self.path}: cannot be read: Stale file handle")
        return read(self)

    monkeypatch.setattr(Item, "read", hiccup)

    score(job, Service())

    assert sorted(row["image"] for row in rows(job.out)) == ALL
    assert {row["status"] for row in rows(job.out)} == {"scored"}


def test_only_a_failed_row_gives_no_witness(job: Job) -> None:
    """An image whose row says that it could not be read says nothing about the next ones."""
    score(listed(job, *GONE[:3]), Service())

    score(listed(job, *GONE[:6]), Service())

    assert len(rows(job.out)) == 6


def test_a_worker_remembers_what_it_could_read_in_earlier_batches(job: Job, photos: Path) -> None:
    """Of Ray's, whose machine loses the share between two batches, the second of which is small."""

    def connect() -> AsyncClient:
        http = httpx2.AsyncClient(base_url="http://service", transport=httpx2.MockTransport(Service()))
        return AsyncClient(http=http)

    worker = Worker(job, connect)
    done = worker({"image": ["a", "b"], "path": [os.fsencode(photos / name) for name in ALL[:2]]})
    photos.rename(photos.with_name("elsewhere"))
    stopped = worker({"image": ["c"], "path": [os.fsencode(photos / ALL[2])]})
    worker._loop.close()

    assert done[STOP] == [None, None]
    assert stopped[ROW] == [None]
    assert b"Is the folder or share still there?" in (stopped[STOP][0] or b"")
