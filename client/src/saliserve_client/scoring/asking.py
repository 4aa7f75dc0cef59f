"""Ask the service about one image until it answers, and let all requests slow down together where it cannot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from saliserve_client.clients import AsyncClient
from saliserve_client.errors import (
    AnswerTimeoutError,
    CapacityError,
    ConnectionLostError,
    SaliserveError,
    UnreachableError,
)
from saliserve_client.results import Explanation, Prediction
from saliserve_client.retry import Retry
from saliserve_client.scoring.gate import Gate
from saliserve_client.scoring.job import Job
from saliserve_client.scoring.pace import Pace

ONCE = Retry(attempts=1)
"""The run repeats requests itself, because all of them must slow down together."""

BACKOFF = Retry(first_s=0.5, longest_s=15.0)

PASSING = (CapacityError, UnreachableError, ConnectionLostError, AnswerTimeoutError)
"""The service's state, not the image's: wait and send it again."""

STRIKES = (ConnectionLostError, AnswerTimeoutError)
"""Of these, the ones that an image may cause; after some of them in a row it is to blame."""

LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True)
class Answered:
    """What the service said of an image, and how often it was sent."""

    result: Prediction | Explanation
    attempts: int


@dataclass(frozen=True)
class Failure:
    """Why an image has no answer, and how often it was sent."""

    error: SaliserveError
    attempts: int


class Asking:
    """All requests of a run.

    Args:
        client: Sends them.
        job: What to ask, and how much patience to have.
        pace: How many at a time; is told how it goes.
        clock: Seconds.
        sleep: Waits that many seconds.
    """

    def __init__(
        self,
        client: AsyncClient,
        job: Job,
        pace: Pace,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        self._client = client
        self._job = job
        self._pace = pace
        self._clock = clock
        self._gate = Gate(pace, clock=clock, sleep=sleep)
        self._answered_s = clock()
        self._refusals = 0

    async def about(self, data: bytes) -> Answered | Failure:
        """Ask about an image, again and again while it is the service's state that keeps it from answering.

        Raises:
            SaliserveError: The service has given no answer to any request for as long as the job's patience.
        """
        exchange = self._job.exchange(data)
        attempts = strikes = cuts = 0
        while True:
            alone = cuts > 1
            async with self._gate.passage(alone=alone):
                attempts += 1
                try:
                    result: Prediction | Explanation = await self._client.perform(exchange, retry=ONCE)
                except PASSING as error:
                    strikes += isinstance(error, STRIKES)
                    if strikes >= self._job.strikes:
                        return Failure(error, attempts)
                    self._slow_down(error)
                except SaliserveError as error:
                    self._heard()
                    return Failure(error, attempts)
                else:
                    self._heard()
                    if not self._job.is_cut_short(result):
                        self._pace.accepted()
                    elif self._pace.allowed > 1 and not alone:
                        # Too many at a time for the deadline: the same image with fewer beside it, then with none. The
                        # pace hears of an image once, or one that never makes it would slow all the others down.
                        cuts += 1
                        if cuts == 1:
                            self._pace.refused(now_s=self._clock(), pause_s=0.0)
                        continue
                    return Answered(result, attempts)

    def _heard(self) -> None:
        self._answered_s = self._clock()
        self._refusals = 0

    def _slow_down(self, error: SaliserveError) -> None:
        now_s = self._clock()
        if now_s - self._answered_s > self._job.patience_s:
            raise error
        self._refusals += 1
        pause_s = (error.retry_after_s or 0.0) + BACKOFF.backoff_s(self._refusals)
        self._pace.refused(now_s=now_s, pause_s=min(pause_s, LONGEST_PAUSE_S))
