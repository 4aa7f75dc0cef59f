"""One name per request: taken from the caller if it is harmless, else made here."""

import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.observation import Observation, observation_in, observe

HEADER = "X-Request-ID"

_HARMLESS = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


def request_id(offered: str | None) -> str:
    """Keep the caller's id if it is short and cannot break a header or a log line, else make one.

    Examples:
        >>> request_id("order-17")
        'order-17'
        >>> request_id("two words") == "two words"
        False
    """
    return offered if offered is not None and _HARMLESS.fullmatch(offered) else uuid.uuid4().hex


class RequestId:
    """Middleware: names each request and repeats the name in the answer's header.

    Where it stands twice, around BentoML and inside, the inner one keeps the name.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        observation = observation_in(scope)
        if observation is None:
            observation = Observation(request_id(Headers(scope=scope).get(HEADER)))
            observe(scope, observation)

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = observation.request_id
            await send(message)

        await self.app(scope, receive, send_named)
