"""The driver's end of a contender's process."""

import json
import os
import selectors
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent


class ContenderError(Exception):
    """A peer does not start, fails, or takes too long; the message is what the table says."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A library, and where it is installed.

    Args:
        module: Holds its contenders, such as ``benchmarks.peers.captum``.
        title: As tables have it.
        python: Of its environment.
        works: What it can do; it is not started for anything else.
    """

    module: str
    title: str
    python: Path
    works: frozenset[str]


@dataclass(slots=True)
class Contenders:
    """A peer's process, started when it is first needed.

    Args:
        peer: Whose.
        log: Where its chatter goes.
        timeout_s: Of one command.
        threads: Of the libraries that read it from the environment.
    """

    peer: Peer
    log: Path
    timeout_s: float
    threads: int
    version: str = ""
    works: Mapping[str, list[str]] = field(default_factory=dict)
    _process: "subprocess.Popen[str] | None" = None

    def start(self) -> None:
        """Start the process, once.

        Raises:
            ContenderError: The environment is missing or the library does not import.
        """
        if self._process is not None:
            return
        if not self.peer.python.exists():
            raise ContenderError(f"not installed: no {self.peer.python.parent.parent.name}")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [self.peer.python, "-m", "benchmarks.peers.worker", self.peer.module],
                cwd=ROOT,
                env=os.environ | {"OMP_NUM_THREADS": str(self.threads), "PYTHONWARNINGS": "ignore"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        greeting = self._read()
        self.version, self.works = greeting["version"], greeting["works"]

    def ask(self, **command: object) -> dict[str, Any]:
        """Have one command carried out.

        Raises:
            ContenderError: It failed, or took longer than the timeout; the process is then gone.
        """
        self.start()
        if self._process is None or self._process.stdin is None:
            raise ContenderError("it is not running")
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            self.stop()
            raise ContenderError(f"its process ended: {error}") from error
        answer = self._read()
        if "error" in answer:
            raise ContenderError(answer["error"])
        return answer

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.stop()

    def _read(self) -> dict[str, Any]:
        """One line at a time is under way, so that waiting for the pipe is waiting for the answer."""
        if self._process is None or self._process.stdout is None:
            raise ContenderError("it is not running")
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            ready = selector.select(self.timeout_s)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            why = "its process ended" if ready else f"no answer within {self.timeout_s:g} s"
            tail = self.log.read_text().strip().splitlines()[-1:]
            self.stop()
            raise ContenderError(f"{why}; {tail[0][:200] if tail else 'it said nothing'}")
        answer: dict[str, Any] = json.loads(line)
        return answer
