"""One worker of a cluster: scores batches of images and gives their rows back. Runs in a process of Ray's."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saliserve_client.clients import AsyncClient
from saliserve_client.errors import SaliserveError
from saliserve_client.results import ModelIdentity
from saliserve_client.scoring.absence import Absence
from saliserve_client.scoring.item import Item
from saliserve_client.scoring.job import Job
from saliserve_client.scoring.journal import Row
from saliserve_client.scoring.pace import Pace
from saliserve_client.scoring.remote import is_address
from saliserve_client.scoring.run import Run

Connect = Callable[[], AsyncClient]

ROW = "row"
STOP = "stop"
"""Columns of what comes back: an image's row as JSON; or why nothing more can be done, pickled. One of them is null."""


@dataclass(frozen=True)
class Batch:
    """Images to score now."""

    images: Sequence[tuple[str, str]]

    def items(self) -> Iterator[Item]:
        """List them."""
        for image, path in self.images:
            yield Item(image, path if is_address(path) else Path(path))


class Collected:
    """Rows in memory. The journal is kept where the run was started, by one process."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.counts: Counter[str] = Counter()

    def is_done(self, image: str) -> bool:
        """Nothing is: what has its row is not sent here."""
        del image
        return False

    def is_scored(self, image: str) -> bool:
        """Nor is any that is."""
        del image
        return False

    def admit(self, model: ModelIdentity) -> None:
        """Leave it to the journal's keeper."""

    def add(self, row: Row) -> None:
        """Keep a row."""
        self.rows.append(row)
        self.counts["images"] += 1

    def original(self, sha256: str) -> Row | None:
        """Know of no others."""
        del sha256
        return None


class Worker:
    """Scores batches, as a plain run would, by a client that lives as long as it does.

    Args:
        job: What to do; its source is not looked at.
        connect: Makes the client.
    """

    def __init__(self, job: Job, connect: Connect) -> None:
        self._job = job
        self._connect = connect
        self._client: AsyncClient | None = None
        self._pace = Pace(most=job.concurrency)
        self._absence = Absence(most=job.breaker)
        self._loop = asyncio.new_event_loop()

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[str | bytes | None]]:
        """Score a batch: columns ``image``, and ``path`` in the file system's bytes."""
        collected = Collected()
        stop: list[bytes] = []
        try:
            images = Batch(list(zip(batch["image"], map(os.fsdecode, batch["path"]), strict=True)))
            self._loop.run_until_complete(self._score(images, collected))
        except SaliserveError as error:
            stop = [pickle.dumps(error)]
        rows = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in collected.rows]
        return {ROW: [*rows, *([None] * len(stop))], STOP: [*([None] * len(rows)), *stop]}

    async def _score(self, images: Batch, collected: Collected) -> None:
        if self._client is None:
            self._client = self._connect()
        job = replace(self._job, source=images)
        await Run(self._client, job, collected, pace=self._pace, absence=self._absence).work()
