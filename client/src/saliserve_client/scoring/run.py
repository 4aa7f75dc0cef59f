"""A scoring run: every image of a source through the service, each exactly once in the output."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from saliserve_client.clients import AsyncClient
from saliserve_client.errors import (
    AnswerTimeoutError,
    AuthenticationError,
    CapacityError,
    ConnectionLostError,
    FileError,
    ImageError,
    LocalError,
    OptionError,
    SaliserveError,
    UnexpectedAnswerError,
    UnreachableError,
)
from saliserve_client.results import Explanation, ModelIdentity, Prediction
from saliserve_client.retry import Retry
from saliserve_client.scoring import rows
from saliserve_client.scoring.absence import Absence
from saliserve_client.scoring.gate import Gate
from saliserve_client.scoring.job import Job
from saliserve_client.scoring.journal import Row
from saliserve_client.scoring.pace import Pace
from saliserve_client.scoring.pictures import write_pictures
from saliserve_client.scoring.rows import Content
from saliserve_client.scoring.sources import Item

ONCE = Retry(attempts=1)
"""The run repeats requests itself, because all of them must slow down together."""

BACKOFF = Retry(first_s=0.5, longest_s=15.0)

PASSING = (CapacityError, UnreachableError, ConnectionLostError, AnswerTimeoutError)
"""The service's state, not the image's: wait and send it again."""

STRIKES = (ConnectionLostError, AnswerTimeoutError)
"""Of these, the ones that an image may cause; after some of them in a row it is to blame."""

STOPPING = (AuthenticationError, UnexpectedAnswerError)
"""Every further image would fail in the same way."""

LONGEST_PAUSE_S = 60.0


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


@dataclass(frozen=True)
class _Failure:
    """An image that cannot be scored, and how often it was sent."""

    error: SaliserveError
    attempts: int


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
        self._client = client
        self._watch = watch
        self._clock = clock
        self._gate = Gate(self.pace, clock=clock, sleep=sleep)
        self._answered_s = clock()
        self._refusals = 0
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
        answer = await self._answer(data)
        if isinstance(answer, _Failure):
            self._judge(answer.error)
            return rows.failed(content, answer.error, attempts=answer.attempts)
        result, attempts = answer
        self._failures_in_a_row = 0
        self.output.admit(result.model)
        row = rows.scored(content, result, attempts=attempts)
        if isinstance(result, Explanation) and (self.job.maps or self.job.overlays):
            row.update(await asyncio.to_thread(write_pictures, self.job, content.image, result))
        return row

    async def _answer(self, data: bytes) -> tuple[Prediction | Explanation, int] | _Failure:
        exchange = self.job.exchange(data)
        attempts = strikes = cuts = 0
        while True:
            alone = cuts > 1
            async with self._gate.passage(alone=alone):
                attempts += 1
                try:
                    result: Prediction | Explanation = await self._client.perform(exchange, retry=ONCE)
                except PASSING as error:
                    strikes += isinstance(error, STRIKES)
                    if strikes >= self.job.strikes:
                        return _Failure(error, attempts)
                    self._slow_down(error)
                except SaliserveError as error:
                    self._heard()
                    return _Failure(error, attempts)
                else:
                    self._heard()
                    if not self.job.is_cut_short(result):
                        self.pace.accepted()
                    elif self.pace.allowed > 1 and not alone:
                        # Too many at a time for the deadline: the same image with fewer beside it, then with none. The
                        # pace hears of an image once, or one that never makes it would slow all the others down.
                        cuts += 1
                        if cuts == 1:
                            self.pace.refused(now_s=self._clock(), pause_s=0.0)
                        continue
                    return result, attempts

    def _heard(self) -> None:
        self._answered_s = self._clock()
        self._refusals = 0

    def _slow_down(self, error: SaliserveError) -> None:
        now_s = self._clock()
        if now_s - self._answered_s > self.job.patience_s:
            raise error
        self._refusals += 1
        pause_s = (error.retry_after_s or 0.0) + BACKOFF.backoff_s(self._refusals)
        self.pace.refused(now_s=now_s, pause_s=min(pause_s, LONGEST_PAUSE_S))

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
