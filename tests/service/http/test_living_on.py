"""The real server while models come and go and processes die."""

import shutil
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from saliserve_client import Client, Retry

from tests.server import LONGEST_S, Server, running_server, until
from tests.service.http.conftest import build_colours

PATIENT = Retry(attempts=100, longest_s=LONGEST_S)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One whose models are its own, and which looks for new ones often."""
    build_colours(tmp_path / "models")
    settings = {"models": tmp_path / "models", "threads": 1, "reload_ms": 200, "queue_forwards": 1_000_000}
    with running_server(tmp_path, **settings) as server:
        yield server


def versions(server: Server, picture: bytes, requests: int) -> list[str]:
    """By whom requests are answered, each over a connection of its own, so by any worker."""
    return [server.post("/v1/predict", picture)["model"]["version"] for _ in range(requests)]


def versions_until(server: Server, picture: bytes, stop: threading.Event) -> list[str]:
    """The same, for as long as nobody says stop."""
    seen = []
    while not stop.is_set():
        seen += versions(server, picture, 1)
    return seen


def refusals(server: Server, requests: int) -> list[list[dict[str, str]]]:
    """What is refused, as it is told over a connection each."""
    return [server.get("/v1/models")["refused"] for _ in range(requests)]


def bring(bundle: Path, place: Path) -> None:
    """Copy a bundle as the runbook says: under a name that is not looked at, then by renaming, so never in part."""
    shutil.copytree(bundle, place.parent / ".coming")
    (place.parent / ".coming").rename(place)


def until_both_say(server: Server, *words: str) -> None:
    """Wait for a line of either worker; whom a request reaches is not ours to choose."""
    until(
        lambda: sum(all(word in line for word in words) for line in server.log.read_text().splitlines()) == 2,
        " ".join(words),
    )


def test_two_workers_bring_in_a_new_version_between_requests_and_refuse_a_bad_one(
    tmp_path: Path, picture: bytes
) -> None:
    """Nobody who asks meanwhile sees anything but one of the two models."""
    models = tmp_path / "models"
    build_colours(models)
    finished = build_colours(tmp_path / "elsewhere", version="2", confidence=20)
    spoiled = shutil.copytree(finished, tmp_path / "spoiled" / "colours" / "3")
    (spoiled / "classify.onnx").write_bytes(b"?")
    two = {"BENTOML_CONFIG_OPTIONS": "services.saliserve.workers=2"}
    with running_server(tmp_path, models=models, threads=1, reload_ms=200, **two) as server:
        # One worker answers while the other still starts, which would find the new version there already.
        until_both_say(server, '"message": "ready"')
        assert len(server.workers) == 2

        with ThreadPoolExecutor(1) as pool:
            asking = threading.Event()
            seen = pool.submit(versions_until, server, picture, asking)
            try:
                bring(finished, models / "colours" / "2")
                until_both_say(server, "bundle served", '"bundle": "colours/2"')
            finally:
                asking.set()

        assert set(seen.result()) <= {"1", "2"}
        assert set(versions(server, picture, 20)) == {"2"}

        bring(spoiled, models / "colours" / "3")
        until_both_say(server, "bundle refused", '"bundle": "colours/3"')

        for (refused,) in refusals(server, 20):
            assert (refused["name"], refused["version"], refused["code"]) == (
                "colours",
                "3",
                "manifest_error",
            )
            assert str(models) not in refused["detail"]
        assert set(versions(server, picture, 5)) == {"2"}
        metrics = server.ask("GET", "/metrics").text
        assert 'saliserve_bundle_refused{code="manifest_error",model="colours",version="3"} 1.0' in metrics


def test_clients_that_retry_lose_nothing_when_the_worker_is_killed(server: Server, picture: bytes) -> None:
    """kill -9, with four callers at once; another worker takes over."""
    (killed,) = server.workers
    answers: list[str] = []
    with Client(server.url, retry=PATIENT) as client, ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(client.predict, picture) for _ in range(120)]
        for number, call in enumerate(calls):
            if number == 20:
                killed.kill()
            answers.append(call.result().top_k[0].label)

    assert answers == ["red"] * 120
    until(lambda: [worker.pid for worker in server.workers] not in ([], [killed.pid]), "the successor")


def test_the_worker_ends_with_its_supervisor(server: Server) -> None:
    """Else it would hold the port, and nobody would restart it."""
    (worker,) = server.workers

    server.process.kill()

    psutil.wait_procs([worker], timeout=LONGEST_S)
    assert not worker.is_running()
    assert server.is_silent()


def test_a_worker_whose_supervisor_dies_while_it_starts_ends_too(tmp_path: Path) -> None:
    """It has had no time to look who started it, and is nobody's child by then."""
    build_colours(tmp_path / "models")
    server = Server(tmp_path, models=tmp_path / "models", threads=1)
    server.start(wait=False)
    until(lambda: bool(server.workers), "the worker's process")
    (worker,) = server.workers

    server.process.kill()
    server.process.wait(LONGEST_S)

    psutil.wait_procs([worker], timeout=LONGEST_S)
    assert not worker.is_running()
    assert server.is_silent()


def test_all_that_was_accepted_is_answered_under_load(server: Server, picture: bytes) -> None:
    """SIGTERM as five explanations with full receipts come to the device, which was shown to have accepted them."""
    url = "/v1/explain?method=rise&masks=8000&receipt=full&deadline_ms=120000"
    accepted = [server.begin(url, picture) for _ in range(5)]
    server.until_under_way(5)

    for connection in accepted:
        connection.send(picture[-1:])
    server.process.send_signal(signal.SIGTERM)
    statuses = [connection.getresponse().status for connection in accepted]
    for connection in accepted:
        connection.close()

    assert statuses == [200] * 5
    assert server.process.wait(LONGEST_S) == 0
