"""Scoring on Ray Data: a cluster of this machine, two workers, and the rows of a plain run."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from saliserve_client.cli.exits import PACKAGE, RUN, SOME_FAILED, USAGE
from saliserve_client.scoring.rows import comparable

from tests.server import LONGEST_S, Server, until
from tests.service.http.conftest import picture_file

IMAGES = 80
OPTIONS = ["--method", "smooth_grad", "--receipt", "none", "--quiet", "--concurrency", "4"]

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install --group ray"
)


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"), models=models, threads=1)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in two folders, all different, one of them broken."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "more").mkdir()
    for number in range(IMAGES - 1):
        place = folder / "more" if number % 3 else folder
        (place / f"{number:03}.png").write_bytes(picture_file((number, 2 * number, 255 - number)))
    (folder / "broken.png").write_bytes(b"these are words, not pixels")
    return folder


def score(images: str, out: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "saliserve_client", "score", images, "--out", str(out)]
    return subprocess.run(
        [*command, *OPTIONS, *more], capture_output=True, check=False, text=True, timeout=2 * LONGEST_S
    )


def rows(path: Path) -> dict[str, dict[str, Any]]:
    """The rows by image; each image must have one."""
    lines = path.read_text("utf-8").splitlines()
    found = comparable(json.loads(line) for line in lines)
    assert len(found) == len(lines)
    return found


@pytest.fixture(scope="module")
def plain(server: Server, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("plain") / "out.jsonl"
    finished = score(str(photos), out, "--url", server.url, "--maps", str(out.parent / "maps"))
    assert finished.returncode == SOME_FAILED, finished.stderr
    return out


@contextmanager
def under_way(out: Path, images: str, *more: str) -> "Iterator[subprocess.Popen[bytes]]":
    """A run on Ray."""
    command = [sys.executable, "-m", "saliserve_client", "score", images, "--out", str(out)]
    log = out.with_suffix(".log")
    with (
        log.open("wb") as said,
        subprocess.Popen([*command, *OPTIONS, *more, "--engine", "ray"], stderr=said) as run,
    ):
        yield run


def until_it(run: "subprocess.Popen[bytes]", out: Path, condition: Callable[[], object], what: str) -> None:
    """Wait for something that a run does before it ends."""
    until(lambda: run.poll() is not None or bool(condition()), what)
    assert run.poll() is None, out.with_suffix(".log").read_text()


def workers_of(run: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    """Ray's processes that score, or are about to."""
    family = psutil.Process(run.pid).children(recursive=True)
    return [process for process in family if name_of(process).startswith("ray::MapWorker")]


def is_asking(process: psutil.Process, port: int) -> bool:
    """Whether it has a connection to the service; a process may end while it is looked at."""
    with suppress(psutil.NoSuchProcess):
        return any(one.raddr and one.raddr.port == port for one in process.net_connections())
    return False


def name_of(process: psutil.Process) -> str:
    """Or nothing, if it has ended since it was seen: Ray starts and ends many."""
    with suppress(psutil.NoSuchProcess):
        return process.name()
    return ""


@needs_ray
def test_two_workers_that_ask_a_service_give_the_rows_of_a_plain_run(
    server: Server, photos: Path, plain: Path, tmp_path: Path
) -> None:
    """From an address, with the maps written where the run says; although one worker is killed and Ray repeats it.

    The service stands still from when the workers are there until one of them, which waits for an answer, is killed:
    however fast the machine, there is something to repeat.
    """
    out, maps = tmp_path / "out.jsonl", tmp_path / "maps"

    with under_way(out, photos.as_uri(), "--url", server.url, "--maps", str(maps)) as run:
        until_it(run, out, lambda: workers_of(run), "the workers")
        with server.held():

            def asking() -> list[psutil.Process]:
                return [worker for worker in workers_of(run) if is_asking(worker, server.port)]

            until_it(run, out, asking, "a worker's request")
            asking()[0].kill()

    assert run.returncode == SOME_FAILED, (tmp_path / "out.log").read_text()
    assert rows(out) == rows(plain)
    for row in rows(plain).values():
        if row["map"]:
            assert (maps / row["map"]).read_bytes() == (plain.parent / "maps" / row["map"]).read_bytes()


@needs_ray
def test_workers_with_the_bundle_in_them_give_rows_that_a_plain_run_goes_on_with(
    server: Server, models: Path, photos: Path, plain: Path, tmp_path: Path
) -> None:
    """The same engine code without a service; killed after its first rows, and completed by asking the service.

    A fast machine may have written all rows by then, so those of a kill at half-time are kept, the last cut in two.
    """
    out, maps = tmp_path / "out.jsonl", ("--maps", str(tmp_path / "maps"))
    with under_way(out, str(photos), "--bundles", str(models), *maps) as run:
        until_it(run, out, lambda: out.is_file() and out.stat().st_size, "the first rows")
        run.kill()
    written = out.read_bytes().splitlines(keepends=True)
    kept = written[: IMAGES // 2]
    out.write_bytes(b"".join(kept) + b"".join(written[len(kept) :])[:100])

    finished = score(str(photos), out, "--url", server.url, *maps)

    assert finished.returncode == SOME_FAILED, finished.stderr
    assert rows(out) == rows(plain)
    assert json.loads(out.with_name("out.jsonl.manifest.json").read_text())["starts"] == 2


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("--engine", "ray", "--dedupe"), RUN, "--dedupe"),
        (("--bundles", "models"), USAGE, "--engine ray"),
    ],
)
def test_what_does_not_go_together_is_refused(
    server: Server, photos: Path, tmp_path: Path, *, more: tuple[str, ...], code: int, said: str
) -> None:
    """In one line, before anything is started."""
    finished = score(str(photos), tmp_path / "out.jsonl", "--url", server.url, *more)

    assert (finished.returncode, finished.stderr.count("\n")) == (code, 1), finished.stderr
    assert said in finished.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_ray_the_way_out_is_named(server: Server, photos: Path, tmp_path: Path) -> None:
    """Ray is an optional extra of a few hundred megabytes."""
    script = (
        "import sys; sys.modules['ray'] = None\n"
        "from saliserve_client.cli import main\n"
        f"sys.exit(main(['score', {str(photos)!r}, '--out', {str(tmp_path / 'out.jsonl')!r}, "
        f"'--url', {server.url!r}, '--engine', 'ray']))"
    )

    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, text=True)

    assert (finished.returncode, finished.stderr.count("\n")) == (PACKAGE, 1), finished.stderr
    assert "saliserve-client[ray]" in finished.stderr
