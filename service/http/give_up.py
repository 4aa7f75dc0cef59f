"""The last resort against requests without end: slow uploads, a device that hangs."""

import asyncio

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.problems import timed_out


class GiveUp:
    """Middleware: ends a request that takes longer than any deadline may be.

    BentoML has one too, which keeps every finished request in memory until its timer has run out.

    Args:
        app: What is guarded.
        seconds: Longest duration, from the header to the beginning of the answer.
    """

    def __init__(self, app: ASGIApp, *, seconds: float) -> None:
        self.app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_watched(message: Message) -> None:
            nonlocal started
            if not started:
                started = True
                timer.reschedule(None)
            await send(message)

        try:
            async with asyncio.timeout(self._seconds) as timer:
                await self.app(scope, receive, send_watched)
        except TimeoutError:
            if not timer.expired() or started:
                raise
            await timed_out(Request(scope), self._seconds)(scope, receive, send)
