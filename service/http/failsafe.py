"""The outermost guard: whatever a route raises, the caller gets a problem and the next request is served."""

import logging

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.observation import observation_of
from service.http.problems import unexpected

log = logging.getLogger(__name__)


class Failsafe:
    """Middleware: logs unforeseen exceptions and answers for them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_watched)
        except Exception:
            request = Request(scope)
            log.exception("unforeseen", extra=observation_of(request).names)
            if started:  # Half an answer cannot be taken back; the server closes the connection.
                raise
            await unexpected(request)(scope, receive, send)
