"""Failures that others wrote, such as BentoML's 404, 429 and 504, brought into the one shape."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.observation import observation_in
from service.http.problems import is_failure, problem_of_status


class OneShape:
    """Middleware: replaces every failure that is not a problem document by one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        replaced = False

        async def send_translated(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and _is_foreign_failure(scope, message):
                replaced = True
                headers = _kept(Headers(raw=message["headers"]))
                await problem_of_status(Request(scope), message["status"], headers)(scope, receive, send)
            elif not replaced:
                await send(message)

        await self.app(scope, receive, send_translated)


def _is_foreign_failure(scope: Scope, message: Message) -> bool:
    """Whoever writes one of our problems leaves its code in the observation."""
    observation = observation_in(scope)
    ours = observation is not None and observation.code != ""
    return is_failure(message["status"]) and not ours


def _kept(headers: Headers) -> Mapping[str, str]:
    return {name: headers[name] for name in ("allow", "retry-after", "vary") if name in headers}
