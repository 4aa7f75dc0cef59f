"""Lets as many requests through at a time as the pace allows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from saliserve_client.scoring.pace import Pace


class Gate:
    """A semaphore whose size is the pace's and changes while it is used.

    Args:
        pace: Decides how many and how soon.
        clock: Seconds.
        sleep: Waits that many seconds.
    """

    def __init__(
        self, pace: Pace, *, clock: Callable[[], float], sleep: Callable[[float], Awaitable[object]]
    ) -> None:
        self._pace = pace
        self._clock = clock
        self._sleep = sleep
        self._inside = 0
        self._alone = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def passage(self, *, alone: bool = False) -> AsyncIterator[None]:
        """Wait until another request may start; its place is free again when the block ends.

        Args:
            alone: Wait until nothing else is inside, and let nothing else in until the block ends.
        """
        self._alone += alone
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: self._is_free(alone=alone))
                self._inside += 1
        except BaseException:
            await self._left(alone=alone, inside=0)
            raise
        try:
            while (closed_s := self._pace.closed_s(now_s=self._clock())) > 0:
                await self._sleep(closed_s)
            yield
        finally:
            await self._left(alone=alone, inside=1)

    def _is_free(self, *, alone: bool) -> bool:
        return not self._inside if alone else not self._alone and self._inside < self._pace.allowed

    async def _left(self, *, alone: bool, inside: int) -> None:
        self._inside -= inside
        self._alone -= alone
        async with self._changed:
            self._changed.notify_all()
