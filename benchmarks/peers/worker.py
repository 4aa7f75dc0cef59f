"""A contender's process: does the work when it is told to, in its own environment.

Started as ``python -m benchmarks.peers.worker benchmarks.peers.captum`` in the environment of that peer. Reads one JSON
command per line and answers with one JSON line; whatever the peer prints goes to the error stream.

    {"do": "prepare", "work": ..., "contender": ..., "folder": ..., "counts": {...}, "threads": 2}
    {"do": "run", "contender": ...}                 -> {"seconds": ..., "processor_seconds": ...}
    {"do": "save", "contender": ..., "path": ...}   the answer of its last run
    {"do": "forget"}
"""

import importlib
import json
import os
import sys
import time
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.case import Case, Contender, Run


class Worker:
    """The contenders of one peer, ready to run.

    Args:
        works: By kind of work and by contender.
    """

    def __init__(self, works: Mapping[str, Mapping[str, Contender]]) -> None:
        self._works = works
        self._runs: dict[str, Run] = {}
        self._answers: dict[str, NDArray[Any]] = {}

    def do(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one command."""
        match command["do"]:
            case "prepare":
                case = Case.read(Path(command["folder"]), command["counts"], command["threads"])
                name = command["contender"]
                self._runs[name] = self._works[command["work"]][name](case)
            case "run":
                return self._time(command["contender"])
            case "save":
                np.save(command["path"], self._answers[command["contender"]])
            case _:
                self._runs.clear()
                self._answers.clear()
        return {}

    def _time(self, name: str) -> dict[str, Any]:
        run = self._runs[name]
        begin, processor = time.perf_counter(), time.process_time()
        answer = run()
        seconds, processor_seconds = time.perf_counter() - begin, time.process_time() - processor
        self._answers[name] = np.asarray(answer)
        return {"seconds": seconds, "processor_seconds": processor_seconds}


def main() -> None:
    """Answer commands until the driver closes the pipe."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    warnings.simplefilter("ignore")
    module = importlib.import_module(sys.argv[1])
    worker = Worker(module.WORKS)
    greeting = {
        "version": version(module.PACKAGE) if module.PACKAGE else "",
        "works": {work: list(contenders) for work, contenders in module.WORKS.items()},
    }
    print(json.dumps(greeting), file=answers, flush=True)
    for line in sys.stdin:
        try:
            answer = worker.do(json.loads(line))
        except Exception as error:  # noqa: BLE001 - the outermost loop: a peer that fails is a row that says so
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
