"""What can go wrong on the wire, as exceptions of the tree."""

from __future__ import annotations

import httpx2

from saliserve_client.errors import (
    AnswerTimeoutError,
    ConnectionLostError,
    TransportError,
    UnexpectedAnswerError,
    UnreachableError,
)

NEVER_CONNECTED = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)


def fault(error: httpx2.RequestError, address: str) -> TransportError:
    """Translate a failure of the HTTP library.

    Args:
        error: As the library raised it.
        address: Of the service, for the message.
    """
    said = str(error) or type(error).__name__
    if isinstance(error, NEVER_CONNECTED):
        return UnreachableError(
            f"no service reached at {address}: {said}. Is it running, and is this its address?"
        )
    if isinstance(error, httpx2.TimeoutException):
        return AnswerTimeoutError(
            f"no answer from {address} within the time limit ({said}). "
            "Ask for less (receipt, parameters, deadline_ms) or give the client a longer timeout_s."
        )
    if isinstance(error, (httpx2.DecodingError, httpx2.TooManyRedirects)):
        return UnexpectedAnswerError(f"an answer from {address} that cannot be read: {said}")
    return ConnectionLostError(f"the connection to {address} broke before the whole answer had come: {said}")
