import asyncio
import io
from pathlib import Path

import httpx2
import pytest
from saliserve_client import AsyncClient
from saliserve_client.cli.progress import Progress
from saliserve_client.errors import FileError
from saliserve_client.scoring.job import Job
from saliserve_client.scoring.manifest import RunManifest
from saliserve_client.scoring.output import Output
from saliserve_client.scoring.rows import Content, failed
from saliserve_client.scoring.run import Run
from saliserve_client.scoring.sources import Source

from tests.client.scoring.stand_in import Service, refusal


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "redrawn"), [(Terminal(), True), (io.StringIO(), False)])
def test_the_line_tells_rate_and_time_to_go(tmp_path: Path, stream: io.StringIO, *, redrawn: bool) -> None:
    """Ten of twenty images at two a second: five seconds to go; one of them failed."""
    for number in range(10):
        (tmp_path / f"{number}.jpg").write_bytes(str(number).encode())
    times = iter(range(1000))
    now_s = 0.0

    def clock() -> float:
        return now_s

    job = Job(Source(str(tmp_path)), tmp_path / "out.jsonl", explain=False, concurrency=1)

    async def work() -> None:
        nonlocal now_s
        service = Service(lambda data, _: refusal(422, "corrupt_image") if data == b"7" else None)
        http = httpx2.AsyncClient(base_url="http://service", transport=httpx2.MockTransport(service))

        def half_a_second_later(run: Run) -> None:
            nonlocal now_s
            now_s = 0.5 * (next(times) + 1)
            progress(run)

        async with AsyncClient(http=http) as client:
            run = Run(client, job, output, watch=half_a_second_later)
            await run.work()
            progress.close(run)

    output = Output(job, RunManifest(job.deciding()))
    progress = Progress(20, output, stream=stream, clock=clock)
    asyncio.run(work())
    output.close()

    shown = stream.getvalue()
    assert "10/20  2.0 images/s  ETA 0:05  1 failed" in shown
    assert ("\r" in shown) is redrawn
    assert shown.count("\n") == 1


class Gone(io.StringIO):
    """A terminal that was closed, or a log on a full disk."""

    def write(self, _: str) -> int:
        raise BrokenPipeError

    def isatty(self) -> bool:
        return True


def test_a_run_goes_on_when_nobody_sees_its_progress(tmp_path: Path) -> None:
    """`saliserve score ... 2>&1 | head` stopped it, with exit code 0."""
    (tmp_path / "0.jpg").write_bytes(b"0")
    job = Job(Source(str(tmp_path)), tmp_path / "out.jsonl", explain=False)
    output = Output(job, RunManifest(job.deciding()))
    times = iter(range(0, 1000, 100))
    progress = Progress(1, output, stream=Gone(), clock=lambda: float(next(times)))

    async def work() -> None:
        http = httpx2.AsyncClient(base_url="http://service", transport=httpx2.MockTransport(Service()))
        async with AsyncClient(http=http) as client:
            run = Run(client, job, output, watch=progress)
            await run.work()
            progress.close(run)

    asyncio.run(work())
    output.close()

    assert output.counts == {"images": 1, "scored": 1}


def test_rows_of_images_that_are_not_in_the_source_are_not_counted(tmp_path: Path) -> None:
    """A table of five, two of which failed, gone on with by three others."""
    job = Job(Source(str(tmp_path)), tmp_path / "out.jsonl", explain=False)
    output = Output(job, RunManifest(job.deciding()))
    for number in range(5):
        row = failed(Content(f"{number}.jpg"), FileError("gone"), attempts=0)
        output.add({**row, "status": "failed" if number < 2 else "scored"})
    progress = Progress(3, output, before={"images": 1, "failed": 0}, stream=io.StringIO())

    assert " 1/3 " in progress.line(Standing())
    output.add(failed(Content("new.jpg"), FileError("gone"), attempts=0))
    assert " 2/3 " in progress.line(Standing())
    assert " 1 failed " in progress.line(Standing())
    output.close()


class Standing:
    at_a_time = 1
