"""The limit on request bodies, enforced while they arrive."""

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import ImageTooLargeError, SaliserveError


class BodyLimit:
    """Middleware: no more than so many bytes of a body are ever held.

    A declared length over the limit is refused before a byte is read; a body without one, or with a false
    one, as soon as it has gone over. The error reaches whoever was reading the body.

    Args:
        app: What is guarded.
        max_bytes: Longest body.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self.app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = declared_bytes(scope)
        received_bytes = 0

        async def receive_counted() -> Message:
            nonlocal received_bytes
            if declared > self._max_bytes:
                raise self._error(f"{declared:,} bytes are declared")
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > self._max_bytes:
                raise self._error(f"more than {self._max_bytes:,} bytes arrived")
            return message

        await self.app(scope, receive_counted, send)

    def _error(self, found: str) -> SaliserveError:
        return ImageTooLargeError(
            f"{found}; a request body may have at most {self._max_bytes:,}. Send a smaller picture.",
            where="image",
        )


def declared_bytes(scope: Scope) -> int:
    """Read the length that a request announces; 0 without one that can be read."""
    declared = Headers(scope=scope).get("content-length", "")
    return int(declared) if declared.isdecimal() else 0


def declares_no_body(request: Request) -> bool:
    """Tell whether a request says that it has no body at all."""
    length = request.headers.get("content-length")
    return length == "0" or (length is None and "transfer-encoding" not in request.headers)
