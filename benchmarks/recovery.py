"""Seconds until answers flow again after ``kill -9``, of the worker and of the whole service, under load.

    python -m benchmarks.recovery --out recovery.json

Callers keep asking, each for its next answer when it has one, and go on when they get none. A process is killed in
the midst of it. A worker is replaced by BentoML's supervisor; the whole service, supervisor included, is started
again at once by this program, as systemd, Docker or Kubernetes would. What is measured is the gap: from the kill to
the end of the first answer after it, and what processor time the new processes have taken by then, which is what the
gap would be on an idle machine. Every answer is compared with the one that the same request got alone.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil

from benchmarks.machine import load, machine, processor_seconds
from benchmarks.soak import requests, stable
from tests.server import LONGEST_S, ROOT, Server, running_server, until

CALLERS = 4
PAUSE_S = 0.05
"""Between a failure and the next try of a caller."""

MODELS = ("imagenet-efficientnet-lite0", "cifar10-standard")


class Callers:
    """Ask without end, and write down when which answer ended.

    Args:
        server: Who is asked.
    """

    def __init__(self, server: Server) -> None:
        self.answered_s: list[float] = []
        self.wrong = 0
        self.failed: dict[str, int] = {}
        self._server = server
        self._mix = requests()
        self._expected: dict[tuple[str, bytes], str] = {}
        self._stopping = threading.Event()

    def learn(self) -> None:
        """Get every answer once, alone."""
        with httpx2.Client(base_url=self._server.url, timeout=LONGEST_S) as client:
            for request in dict.fromkeys(self._mix):
                self._expected[request] = stable(self._ask(client, *request))

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask while the context lasts."""
        self._stopping.clear()
        with ThreadPoolExecutor(CALLERS) as pool:
            calls = [pool.submit(self._call, first) for first in range(CALLERS)]
            try:
                yield
            finally:
                self._stopping.set()
            for call in calls:
                call.result()

    def _ask(self, client: httpx2.Client, path: str, picture: bytes) -> httpx2.Response:
        return client.post(path, content=picture, headers={"Content-Type": "image/png"})

    def _call(self, first: int) -> None:
        with httpx2.Client(base_url=self._server.url, timeout=LONGEST_S) as client:
            turn = first
            while not self._stopping.is_set():
                request = self._mix[turn % len(self._mix)]
                turn += CALLERS
                try:
                    answer = self._ask(client, *request)
                except httpx2.TransportError as error:
                    self._note(type(error).__name__)
                    self._stopping.wait(PAUSE_S)
                    continue
                if answer.is_success:
                    self.answered_s.append(time.monotonic())
                    self.wrong += stable(answer) != self._expected[request]
                else:
                    self._note(str(answer.status_code))

    def _note(self, failure: str) -> None:
        self.failed[failure] = self.failed.get(failure, 0) + 1


def gap_s(callers: Callers, server: Server, kill: Callable[[Server], float]) -> tuple[float, float]:
    """Kill, and return the seconds until the next answer, and those of the processor that the new worker took."""
    before = len(callers.answered_s)
    until(lambda: len(callers.answered_s) > before + 2 * CALLERS, "answers before the kill")
    begin_s = kill(server)
    until(lambda: callers.answered_s[-1] > begin_s, "the first answer after the kill")
    first_s = next(moment for moment in callers.answered_s if moment > begin_s)
    return first_s - begin_s, sum(processor_seconds(worker.pid) for worker in server.workers)


def kill_worker(server: Server) -> float:
    """Kill it with -9; return when it was dead."""
    (worker,) = server.workers
    worker.kill()
    psutil.wait_procs([worker], timeout=LONGEST_S)
    return time.monotonic()


def kill_all(server: Server) -> float:
    """Kill supervisor and worker with -9, and start again; return when they were dead."""
    server.kill()
    begin_s = time.monotonic()
    server.start(wait=False)
    return begin_s


KILLS = {"worker": kill_worker, "service": kill_all}


def main() -> None:
    """Start a service per model, kill it again and again, print what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=5, help="kills of each kind (default: %(default)s)")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--threads", type=int, default=1, help="of the service (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="file for the report, as JSON")
    arguments = parser.parse_args()
    found: dict[str, Any] = {"machine": machine()}
    for model in arguments.models:
        found[model] = recover(model, arguments.times, arguments.threads)
        print(json.dumps({model: found[model]}), flush=True)
    found["load"] = load()
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(found, indent=2) + "\n")


def recover(model: str, times: int, threads: int) -> dict[str, Any]:
    """Measure one model."""
    gaps: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KILLS}
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        models.mkdir()
        (models / model).symlink_to(ROOT / "models" / model)
        settings = {"models": models, "threads": threads, "log_level": "WARNING"}
        with running_server(Path(folder), **settings) as server:
            callers = Callers(server)
            callers.learn()
            with callers.asking():
                for _ in range(times):
                    for kind, kill in KILLS.items():
                        gaps[kind].append(gap_s(callers, server, kill))
    seen = {kind: summary(each) for kind, each in gaps.items()}
    return {**seen, "answers": len(callers.answered_s), "wrong": callers.wrong, "failed": callers.failed}


def summary(gaps: list[tuple[float, float]]) -> dict[str, Any]:
    """Take the medians, and keep each."""
    waited, worked = zip(*gaps, strict=True)
    return {
        "median_s": round(statistics.median(waited), 1),
        "worker_processor_median_s": round(statistics.median(worked), 1),
        "each_s": [round(one, 1) for one in waited],
    }


if __name__ == "__main__":
    main()
