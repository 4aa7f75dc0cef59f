"""The real server as a process of its own, for tests that speak to it over a socket, stop it and kill it."""

import contextlib
import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil

ROOT = Path(__file__).parents[1]

LONGEST_S = 240.0
"""For anything that is waited for. A start takes some five seconds on an idle machine; the tests of a whole
project share two cores with others."""


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that another process does."""
    pause, end_s = threading.Event(), time.monotonic() + LONGEST_S
    while not condition():
        assert time.monotonic() < end_s, f"{what} took more than {LONGEST_S:.0f} s"
        pause.wait(0.02)


def free_port() -> int:
    """Find a port that nobody listens on.

    Below those that the system gives to outgoing connections: a server that is killed and started again on one of
    these may find it taken, at the worst by the client that keeps asking for it and is connected to itself.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Server:
    """``python -m service`` on a port of its own, which it keeps when it is started again.

    Args:
        folder: For its log and its BENTOML_HOME: two servers with one would wipe each other's metrics.
        root: Where the service lies.
        settings: ``SALISERVE_*`` by their names in lower case; other variables in capitals.
    """

    def __init__(self, folder: Path, *, root: Path = ROOT, **settings: object) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self._root = root
        self._environment = environment(folder, **settings)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """BentoML's supervisor; its only child is the worker."""
        assert self._process is not None, "the server was not started"
        return self._process

    @property
    def workers(self) -> list[psutil.Process]:
        """The processes that answer, or are about to."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        return [member for member in family if "_bentoml_impl.worker.service" in " ".join(_command(member))]

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it is ready."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "service", "--port", str(self.port)],
                cwd=self._root,
                env=self._environment,
                stdout=output,
                stderr=output,
            )
        if wait:
            try:
                until(self.is_ready, "the start")
            except BaseException:
                self.kill()
                raise

    def stop(self) -> int:
        """Ask it to end, and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=LONGEST_S)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it as a power cut would: its worker, which has a session of its own, too."""
        if self._process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(self._process.pid)
            family.suspend()  # else it might replace a worker before its own turn comes
            members = [*family.children(recursive=True), family]
            for member in members:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()
            psutil.wait_procs(members, timeout=LONGEST_S)
        self._process.wait()
        self._process = None
        until(self.is_silent, "the end of the server")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep its workers from running, so that what is asked of them stays asked."""
        workers = self.workers
        for worker in workers:
            worker.suspend()
        try:
            yield
        finally:
            for worker in workers:
                worker.resume()

    def is_ready(self) -> bool:
        """Tell whether it takes requests; a server that has ended will never be."""
        assert self.process.poll() is None, self.log.read_text("utf-8", "replace")[-5000:]
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=5).status_code == httpx2.codes.OK
        except httpx2.TransportError:
            return False

    def is_silent(self) -> bool:
        """Tell whether nobody listens any more."""
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", self.port)) != 0

    def ask(self, method: str, path: str, **request: Any) -> httpx2.Response:
        """Send a request over a connection of its own; any answer will do, however long it takes."""
        return httpx2.request(method, self.url + path, timeout=LONGEST_S, **request)

    def get(self, path: str) -> dict[str, Any]:
        """Ask for something; the answer must be a success."""
        return _decoded(self.ask("GET", path))

    def post(self, path: str, photo: bytes) -> dict[str, Any]:
        """Send a picture as the body; the answer must be a success."""
        headers = {"Content-Type": "application/octet-stream"}
        return _decoded(self.ask("POST", path, content=photo, headers=headers))

    def begin(self, path: str, photo: bytes) -> http.client.HTTPConnection:
        """Send a picture as the body, all but its last byte: the request is under way until that is sent."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONGEST_S)
        connection.putrequest("POST", path)
        connection.putheader("Content-Type", "application/octet-stream")
        connection.putheader("Content-Length", str(len(photo)))
        connection.endheaders(photo[:-1])
        return connection

    def until_under_way(self, requests: int) -> None:
        """Wait until the service has begun with so many; the scrape that says so is one more."""
        line = f"saliserve_requests_in_progress {requests + 1}.0\n"
        until(lambda: line in self.ask("GET", "/metrics").text, f"{requests} requests under way")


@contextmanager
def running_server(folder: Path, *, root: Path = ROOT, **settings: object) -> Iterator[Server]:
    """Start a server and stop it in the end."""
    server = Server(folder, root=root, **settings)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def environment(folder: Path, **settings: object) -> dict[str, str]:
    """Make a server's environment, without what the tests' own may hold; see :class:`Server`."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SALISERVE_", "BENTOML_", "ORT_"))
    }
    chosen = {
        name if name.isupper() else f"SALISERVE_{name.upper()}": str(value)
        for name, value in {"provider": "cpu", **settings}.items()
    }
    return {**inherited, **chosen, "BENTOML_HOME": str(folder / "bentoml")}


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []


def _decoded(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == httpx2.codes.OK, answer.text
    decoded: dict[str, Any] = answer.json()
    return decoded
