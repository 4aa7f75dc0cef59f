"""The service beside the obvious alternative, over HTTP, with one client and with eight.

    python -m benchmarks.over_http [--models resnet18] [--clients 1 8]

Both servers are warm and idle but for the one that is asked; they take turns, round by round.
"""

import argparse
import http.client
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from benchmarks.__main__ import prepare
from benchmarks.contender import ROOT
from benchmarks.interleave import Times, interleave
from benchmarks.machine import processor_seconds, resident_bytes
from benchmarks.overhead import serve
from benchmarks.prepare import PHOTO
from benchmarks.results import FOLDER, Results, Row
from benchmarks.server import Server, free_port, serving

_WORKS = ("gradient", "grad_cam", "occlusion")


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--models", nargs="+", default=["resnet18", "efficientnet_lite0"])
    add("--works", nargs="+", default=_WORKS, choices=_WORKS)
    add("--clients", nargs="+", type=int, default=[1, 8])
    add("--requests", type=int, default=16, help="per round, shared by all clients")
    add("--rounds", type=int, default=5)
    add("--stride", type=int, default=16, help="of occlusion")
    add("--threads", type=int, default=2)
    add("--environments", type=Path, default=ROOT / ".venvs")
    add("--out", type=Path, default=FOLDER)
    given = parser.parse_args()
    results = Results(given.out)
    for model in given.models:
        names = {work: f"http/{model}/{work}" for work in given.works}
        missing = [work for work, name in names.items() if name not in results]
        if missing:
            for work, row in measure(given, model, missing):
                results.save(names[work], {"model": model, **row})
                print(names[work], flush=True)


def measure(given: argparse.Namespace, model: str, works: Sequence[str]) -> list[tuple[str, Row]]:
    """Serve one model twice and ask both servers the same."""
    folder = given.out / "models" / model
    prepare(model, folder)
    rows = []
    with ExitStack() as stack:
        ours = stack.enter_context(serve(folder, given.out, given.threads))
        theirs = stack.enter_context(alternative(given, folder))
        for work in works:
            options = {"method": work, "receipt": "none"} | (
                {"stride": given.stride} if work == "occlusion" else {}
            )
            asked = {
                "saliserve": (ours, f"/v1/explain?{urlencode(options)}"),
                "Captum behind FastAPI": (theirs, f"/explain?{urlencode({'method': work})}"),
            }
            lines = [_line(asked, clients, given.requests, given.rounds) for clients in given.clients]
            rows.append(
                (work, {"work": work, "requests": given.requests, "threads": given.threads, "loads": lines})
            )
    return rows


def alternative(given: argparse.Namespace, folder: Path) -> AbstractContextManager[Server]:
    """Start the alternative."""
    python = given.environments / "bench-torch" / "bin" / "python"
    port = free_port()
    command = [str(python), "-m", "benchmarks.peers.alternative"]
    return serving(
        [*command, str(folder), str(port), str(given.threads), str(given.stride)],
        port=port,
        ready="/readyz",
        log=given.out / "logs" / "alternative.log",
        environment={"OMP_NUM_THREADS": str(given.threads)},
    )


def _line(asked: Mapping[str, tuple[Server, str]], clients: int, requests: int, rounds: int) -> Row:
    latencies: dict[str, list[float]] = {name: [] for name in asked}
    processor: dict[str, list[float]] = {name: [] for name in asked}
    photo = PHOTO.read_bytes()

    def burst(name: str) -> None:
        server, path = asked[name]
        before = processor_seconds(server.process)
        latencies[name] += _ask(server.url, path, photo, clients, requests)
        processor[name].append((processor_seconds(server.process) - before) / requests)

    runs: dict[str, Callable[[], object]] = {name: partial(burst, name) for name in asked}
    times = interleave(runs, rounds=rounds)
    return {
        "clients": clients,
        "servers": [
            {
                "name": name,
                "per_second": requests / times[name].median,
                "spread": times[name].spread,
                "latency_s": sorted(latencies[name][requests:]),  # without the round that warmed it
                "processor_s": Times(tuple(processor[name][1:])).median,
                "resident_bytes": resident_bytes(asked[name][0].process),
            }
            for name in asked
        ],
    }


def _ask(url: str, path: str, photo: bytes, clients: int, requests: int) -> list[float]:
    """Let so many clients send requests until all are answered; every client waits for its answer."""
    left, turn = iter(range(requests)), threading.Lock()

    def client(_: int) -> list[float]:
        seconds: list[float] = []
        while True:
            with turn:
                if next(left, None) is None:
                    return seconds
            begin = time.perf_counter()
            connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=600)
            connection.request("POST", path, photo, {"Content-Type": "image/jpeg"})
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            if answer.status != 200:
                sys.exit(f"error: {path} answered {answer.status}: {body[:300]!r}")
            seconds.append(time.perf_counter() - begin)

    with ThreadPoolExecutor(clients) as pool:
        return [second for seconds in pool.map(client, range(clients)) for second in seconds]


if __name__ == "__main__":
    main()
