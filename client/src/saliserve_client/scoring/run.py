"""A scoring run: every image of a source through the service, each exactly once in the output."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

from saliserve_client.clients import AsyncClient
from saliserve_client.errors import (
    AuthenticationError,
    FileError,
    ImageError,
    LocalError,
    OptionError,
    SaliserveError,
    UnexpectedAnswerError,
)
from saliserve_client.results import Explanation, ModelIdentity
from saliserve_client.scoring import rows
from saliserve_client.scoring.absence import Absence
from saliserve_client.scoring.asking import Asking, Failure
from saliserve_client.scoring.item import Item
from saliserve_client.scoring.job import Job
from saliserve_client.scoring.journal import Row
from saliserve_client.scoring.pace import Pace
from saliserve_client.scoring.pictures import write_pictures
from saliserve_client.scoring.rows import Content

STOPPING = (AuthenticationError, UnexpectedAnswerError)
"""Every further image would fail in the same way."""


class Sink(Protocol):
    """Where rows go; :class:`~saliserve_client.scoring.output.Output` is one."""

    counts: Counter[str]

    def is_done(self, image: str) -> bool:
        """Tell whether the image has its row."""
        ...

    def is_scored(self, image: str) -> bool:
        """Tell whether that row holds an answer."""
        ...

    def admit(self, model: ModelIdentity) -> None:
        """Take note of the model that answers, or refuse it."""
        ...

    def add(self, row: Row) -> None:
        """Take an image's row."""
        ...

    def original(self, sha256: str) -> Row | None:
        """Find the row of an image of this content."""
        ...


class Run:
    """One start of a run.

    Args:
        client: Sends the requests.
        job: What to do.
        output: Already open.
        pace: How many requests at a time; one that has learned, or a new one.
        absence: What files could be read; one that has seen some, or a new one.
        watch: Called after every row, for a progress display.
        clock: Seconds.
        sleep: Waits that many seconds.
    """

    def __init__(
        self,
        client: AsyncClient,
        job: Job,
        output: Sink,
        *,
        pace: Pace | None = None,
        absence: Absence | None = None,
        watch: Callable[[Run], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.job = job
        self.output = output
        self.pace = pace or Pace(most=job.concurrency)
        self._absence = absence or Absence(most=job.breaker)
        self._asking = Asking(client, job, self.pace, clock=clock, sleep=sleep)
        self._watch = watch
        self._failures_in_a_row = 0
        self._being_scored: dict[str, asyncio.Future[None]] = {}

    @property
    def at_a_time(self) -> int:
        """Requests that may be in flight now."""
        return self.pace.allowed

    async def work(self) -> None:
        """Score every image that has no row yet.

        Raises:
            SaliserveError: Nothing more can be done now. What has a row keeps it; starting
                again goes on from there.
        """
        items = self._to_do()
        workers = [asyncio.ensure_future(self._worker(items)) for _ in range(self.job.concurrency)]
        try:
            done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        for worker in done:
            worker.result()
        for item, error in self._absence.left():
            self.output.add(rows.failed(Content(item.image), error, attempts=0))

    def _to_do(self) -> Iterator[Item]:
        for item in self.job.source.items():
            if not self.output.is_done(item.image):
                yield item
            elif self.output.is_scored(item.image):
                self._absence.remember(item)

    async def _worker(self, items: Iterator[Item]) -> None:
        for item in items:
            await self._process(item)
            self._watch(self)

    async def _process(self, item: Item) -> None:
        try:
            content, data = await asyncio.to_thread(_read, item)
        except ImageError as error:
            self.output.add(rows.failed(Content(item.image), error, attempts=0))
            return
        except FileError as error:
            if await asyncio.to_thread(self._absence.is_alone):
                self.output.add(rows.failed(Content(item.image), error, attempts=0))
            else:
                self._absence.hold(item, error)
            return
        for held in self._absence.seen(item):
            await self._process(held)
        if self.job.dedupe and content.sha256 is not None:
            await self._process_once(content, content.sha256, data)
        else:
            self.output.add(await self._scored(content, data))

    async def _process_once(self, content: Content, sha256: str, data: bytes) -> None:
        """Score this content unless it was, or is being, scored under another name."""
        while sha256 in self._being_scored:
            await asyncio.wait([self._being_scored[sha256]])
        original = self.output.original(sha256)
        if original is not None:
            self.output.add(rows.duplicate(content, original))
            return
        self._being_scored[sha256] = asyncio.get_running_loop().create_future()
        try:
            self.output.add(await self._scored(content, data))
        finally:
            self._being_scored.pop(sha256).set_result(None)

    async def _scored(self, content: Content, data: bytes) -> Row:
        answer = await self._asking.about(data)
        if isinstance(answer, Failure):
            self._judge(answer.error)
            return rows.failed(content, answer.error, attempts=answer.attempts)
        result = answer.result
        self._failures_in_a_row = 0
        self.output.admit(result.model)
        row = rows.scored(content, result, attempts=answer.attempts)
        if isinstance(result, Explanation) and (self.job.maps or self.job.overlays):
            row.update(await asyncio.to_thread(write_pictures, self.job, content.image, result))
        return row

    def _judge(self, error: SaliserveError) -> None:
        """Stop where going on would only record the same failure for every image."""
        if isinstance(error, (*STOPPING, LocalError)):
            raise error
        if isinstance(error, OptionError) and not self.output.counts["images"]:
            raise error
        if isinstance(error, ImageError):
            self._failures_in_a_row = 0
            return
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= self.job.breaker:
            raise error


def _read(item: Item) -> tuple[Content, bytes]:
    image = item.read()
    digest = hashlib.sha256(image.data).hexdigest()
    return Content(item.image, digest, len(image.data)), image.data
