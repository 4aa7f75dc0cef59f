"""HEAD wherever there is GET (RFC 9110, section 9.3.2): load balancers and monitors ask so for health."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Head:
    """Middleware: answers HEAD as GET without the body, and tells of it where methods are listed.

    FastAPI's routes, unlike Starlette's, take GET alone; a second route for each would be told of twice in OpenAPI.

    Args:
        app: Knows only GET.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD"
        # A copy: the server must still know that it was HEAD, or it would wait for the body that was announced.
        inner = {**scope, "method": "GET"} if is_head else scope

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_head(message)
            elif is_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            await self.app(inner, receive, send_without_body)
        finally:
            if "route" in inner:  # for the log and the metrics
                scope["route"] = inner["route"]


def _add_head(start: Message) -> None:
    headers = MutableHeaders(scope=start)
    allowed = headers.get("allow", "")
    if "GET" in allowed and "HEAD" not in allowed:
        headers["allow"] = allowed.replace("GET", "GET, HEAD")
