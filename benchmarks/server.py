"""A server of its own for a measurement: started, waited for, ended."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contender import ROOT

_START_S = 300.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ready.

    Args:
        url: Where it listens.
        start_s: From the command to the first good answer.
        process: Its id; its workers are its descendants.
    """

    url: str
    start_s: float
    process: int


@contextmanager
def serving(
    command: Sequence[str], *, port: int, ready: str, log: Path, environment: Mapping[str, str]
) -> Iterator[Server]:
    """Run a server until the block is left.

    Args:
        command: Of the server.
        port: On which it listens.
        ready: A path that answers 200 once it is ready.
        log: Where its output goes.
        environment: Added to ours.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own commands
            list(command),
            cwd=ROOT,
            env=os.environ | environment,
            stdout=output,
            stderr=output,
            process_group=0,  # not a session of its own: it would get a processor share of its own
        )
    url = f"http://127.0.0.1:{port}"
    try:
        while not _answers(url + ready):
            if process.poll() is not None or time.perf_counter() - begin > _START_S:
                raise SystemExit(f"error: no server on port {port}; see {log}")
            time.sleep(0.02)
        yield Server(url, time.perf_counter() - begin, process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own server
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
