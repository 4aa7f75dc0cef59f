"""An answer that is not a success, as an exception of the tree."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from saliserve_client._version import __version__
from saliserve_client.errors import (
    BY_CODE,
    AnswerTimeoutError,
    CapacityError,
    ImageTooLargeError,
    RequestError,
    SaliserveError,
    UnexpectedAnswerError,
    VersionError,
)

EXCERPT = 120
"""Characters of a foreign answer shown in a message: enough to recognise a proxy's error page."""


def problem(status: int, headers: Mapping[str, str], body: bytes, *, now_s: float) -> SaliserveError:
    """Turn a refusal into the exception it stands for.

    Args:
        status: HTTP status, 300 or above.
        headers: The answer's headers; ``retry-after`` and ``location`` are read, lower case.
        body: ``application/problem+json`` as in RFC 9457, or anything a proxy may put in its place.
        now_s: Seconds since 1970, for a ``Retry-After`` that is a date.

    Returns:
        The exception whose ``code`` the body names; for a code of a newer service the nearest
        base class, with that code on it; for a body that is no problem at all the base class
        that the status suggests.

    Examples:
        >>> error = problem(404, {}, b'{"code": "unknown_model", "detail": "no model cat"}', now_s=0)
        >>> type(error).__name__, error.detail
        ('UnknownModelError', 'no model cat')
        >>> error = problem(503, {"retry-after": "2"}, b"<html>busy</html>", now_s=0)
        >>> type(error).__name__, error.retry_after_s
        ('CapacityError', 2.0)
    """
    told = _told(body)
    code = _text(told, "code")
    detail = _text(told, "detail") if code else _foreign(status, headers, body)
    if code in NO_SUCH_ROUTE:
        detail += f" Client {__version__} expects it there: the service is of another version."
    return _class(code, status)(
        detail,
        where=_text(told, "where"),
        code=code,
        status=status,
        request_id=_text(told, "request_id"),
        retry_after_s=retry_after_s(headers.get("retry-after"), now_s=now_s),
    )


def retry_after_s(value: str | None, *, now_s: float) -> float | None:
    """Read a ``Retry-After`` header, which is a number of seconds or a date (RFC 9110, 10.2.3).

    Returns:
        Seconds from *now_s*, never negative; None if there is no header or it cannot be read.

    Examples:
        >>> retry_after_s("1.5", now_s=0)
        1.5
        >>> retry_after_s("Thu, 01 Jan 1970 00:01:00 GMT", now_s=20)
        40.0
        >>> retry_after_s("soon", now_s=0) is None
        True
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = _until(value, now_s)
    # A NaN compares false with everything, so it is dropped here too.
    return max(seconds, 0.0) if seconds < float("inf") else None


def _until(date: str, now_s: float) -> float:
    try:
        moment = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return float("inf")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - datetime.fromtimestamp(now_s, timezone.utc)).total_seconds()


def _told(body: bytes) -> Mapping[str, object]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _text(told: Mapping[str, object], name: str) -> str:
    value = told.get(name)
    return value if isinstance(value, str) else ""


NO_SUCH_ROUTE = frozenset({"not_found", "method_not_allowed"})
"""This client asks only for routes of its own contract, so a service without one has another."""


BY_STATUS: Mapping[int, type[SaliserveError]] = {
    413: ImageTooLargeError,  # of a proxy; the service's own has a code
    429: CapacityError,
    502: CapacityError,  # a gateway whose service restarts
    503: CapacityError,
    504: AnswerTimeoutError,  # the request went in, and its answer did not come out in time
}
"""What a status means that comes without a code known here."""


def _class(code: str, status: int) -> type[SaliserveError]:
    if code in BY_CODE:
        return BY_CODE[code]
    if code in NO_SUCH_ROUTE:
        return VersionError
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status >= 500:  # noqa: PLR2004 - where the service's own failures begin
        return SaliserveError
    return RequestError if code else UnexpectedAnswerError


def _foreign(status: int, headers: Mapping[str, str], body: bytes) -> str:
    if 300 <= status < 400:  # noqa: PLR2004 - redirections
        return f"HTTP {status}: moved to {headers.get('location', 'nowhere')}; give that address instead"
    if status == 413:  # noqa: PLR2004 - content too large
        return f"HTTP 413 with {excerpt(body)}: a proxy before the service takes no request this large. Raise its limit."
    return (
        f"HTTP {status} with {excerpt(body)} where a problem document is expected. "
        "Is this the address of a saliserve service?"
    )


def excerpt(body: bytes) -> str:
    """Show the beginning of a foreign answer on one line."""
    text = " ".join(body[:1024].decode("utf-8", "replace").split())
    return repr(text[:EXCERPT] + ("…" if len(text) > EXCERPT else "")) if text else "an empty body"
