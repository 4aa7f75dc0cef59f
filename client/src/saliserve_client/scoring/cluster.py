"""A scoring run on Ray Data: workers score, and the process that was started keeps journal and table.

So there is one writer, and what makes the plain run exact holds here too: a row that is in the journal is never
sent out again, and one that comes twice, because Ray repeated the work of a worker that died, is taken once.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from saliserve_client.errors import MissingPackageError, RunError, UnreachableError
from saliserve_client.results import ModelIdentity
from saliserve_client.scoring.item import Item
from saliserve_client.scoring.job import Job
from saliserve_client.scoring.output import Output
from saliserve_client.scoring.worker import ROW, STOP, Connect, Worker

LOCAL = "local"

BATCH = 32
"""Images that a worker is given at a time, and at most lost with it; a multiple of most runs' concurrency."""

ROUND = 2_000
"""Batches that are handed to Ray at a time, so that names of ten million images are never in memory at once."""


@dataclass(frozen=True)
class Cluster:
    """Where and how wide to work.

    Args:
        address: As of ``ray.init``; :data:`LOCAL` for this machine alone.
        workers: Processes.
        cpus: That each of them takes of Ray's count.
        gpus: Likewise.
    """

    address: str = LOCAL
    workers: int = 2
    cpus: float = 1.0
    gpus: float = 0.0


class ClusterRun:
    """One start of a run on a cluster.

    Args:
        job: What to do.
        output: Already open.
        cluster: Where.
        connect: Makes each worker's client.
        watch: Called after every row, for a progress display.

    Raises:
        RunError: The job asks for what only one process can know.
        MissingPackageError: Ray is not installed.
    """

    def __init__(
        self,
        job: Job,
        output: Output,
        cluster: Cluster,
        connect: Connect,
        *,
        watch: Callable[[ClusterRun], None] = lambda _: None,
    ) -> None:
        if job.dedupe:
            raise RunError(
                "--dedupe needs one process that sees all contents; leave it out with --engine ray"
            )
        self._ray = import_ray()
        self._job = job
        self._output = output
        self._cluster = cluster
        self._connect = connect
        self._watch = watch

    @property
    def at_a_time(self) -> int:
        """Requests that may be in flight."""
        return self._cluster.workers * self._job.concurrency

    def work(self) -> None:
        """Score every image that has no row yet.

        Raises:
            SaliserveError: Nothing more can be done now; starting again goes on from there.
        """
        items = (item for item in self._job.source.items() if not self._output.is_done(item.image))
        first = next(items, None)
        if first is None:
            return
        with self._connected(), self._one_line():
            self._round([first, *islice(items, ROUND * BATCH - 1)])
            while more := list(islice(items, ROUND * BATCH)):
                self._round(more)

    def _round(self, items: list[Item]) -> None:
        for batch in self._scored(items).iter_batches(batch_size=None, batch_format="pyarrow"):
            for text, stop in zip(batch[ROW].to_pylist(), batch[STOP].to_pylist(), strict=True):
                if stop is not None:
                    raise pickle.loads(stop)  # noqa: S301 - a worker of ours wrote it
                self._take(json.loads(text))

    def _take(self, row: dict[str, Any]) -> None:
        if self._output.is_done(row["image"]):
            return
        if row["model_sha256"] is not None:
            self._output.admit(
                ModelIdentity(row["model_name"], row["model_version"], row["model_sha256"], row["provider"])
            )
        self._output.add(row)
        self._watch(self)

    def _scored(self, items: list[Item]) -> Any:
        import pyarrow as pa  # noqa: PLC0415 - comes with Ray Data

        # Paths as bytes: a name that is no UTF-8 is no text to Arrow.
        names = [(item.image, os.fsencode(item.path)) for item in items]
        blocks = [
            pa.table(
                dict(zip(("image", "path"), zip(*names[begin : begin + BATCH], strict=True), strict=True))
            )
            for begin in range(0, len(names), BATCH)
        ]
        # The source stays here: a list from standard input could not travel, and workers need none.
        job = replace(self._job, source=_Elsewhere())
        return self._ray.data.from_arrow(blocks).map_batches(
            Worker,
            fn_constructor_kwargs={"job": job, "connect": self._connect},
            batch_size=BATCH,
            batch_format="numpy",
            compute=self._ray.data.ActorPoolStrategy(size=min(self._cluster.workers, len(blocks))),
            num_cpus=self._cluster.cpus,
            num_gpus=self._cluster.gpus or None,
        )

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """Join the cluster, or start one here; whoever has joined before stays in it."""
        if self._ray.is_initialized():
            yield
            return
        try:
            self._ray.init(
                address=self._cluster.address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                **(self._here() if self._cluster.address == LOCAL else {}),
            )
        except (ConnectionError, ValueError) as error:
            raise UnreachableError(f"no Ray cluster at {self._cluster.address}: {error}") from error
        self._ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        try:
            yield
        finally:
            self._ray.shutdown()

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        """Say what Ray gave up for; its own account is for its developers and pages long."""
        try:
            yield
        except self._ray.exceptions.RayError as error:
            last = str(error).strip().splitlines()[-1:]
            raise RunError(f"Ray gave up: {type(error).__name__}: {''.join(last)}") from error

    def _here(self) -> dict[str, Any]:
        """A cluster of this machine: as wide as asked, and its processes import what this one does."""
        needed = round(self._cluster.workers * self._cluster.cpus + 0.5)
        return {
            "num_cpus": max(needed, os.cpu_count() or 1),
            "include_dashboard": False,
            "runtime_env": {
                "env_vars": {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), *filter(None, sys.path)])}
            },
        }


class _Elsewhere:
    """The images are known where the run was started."""

    def items(self) -> Iterator[Item]:
        """List none."""
        return iter(())


def import_ray() -> Any:
    """Import Ray with its data library, or say how to get it.

    Raises:
        MissingPackageError: It is not installed.
    """
    # Ray tells its makers of every start unless it is told not to; somebody who wants that has set it.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its notices to its own developers
    try:
        import ray.data  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingPackageError(
            "Ray is needed for --engine ray: pip install 'saliserve-client[ray]', or leave --engine out"
        ) from error
    return ray
