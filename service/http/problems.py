"""Failures as HTTP: which status each has, and the one shape of all (RFC 9457).

The only file that knows status codes.
"""

import json
import logging
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from math import ceil

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from service.errors import (
    AuthenticationError,
    BudgetError,
    BundleError,
    CapacityError,
    EmptyImageError,
    GraphError,
    ImageError,
    ImageFormatError,
    ImageTooLargeError,
    MapError,
    MediaTypeError,
    OptionError,
    ProviderError,
    RateLimitedError,
    RequestError,
    SaliserveError,
    UnknownModelError,
)
from service.http.observation import observation_of
from service.schemas import Problem

log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"

STATUS: Mapping[type[SaliserveError], HTTPStatus] = {
    SaliserveError: HTTPStatus.INTERNAL_SERVER_ERROR,
    RequestError: HTTPStatus.BAD_REQUEST,
    MediaTypeError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ImageError: HTTPStatus.UNPROCESSABLE_ENTITY,
    EmptyImageError: HTTPStatus.BAD_REQUEST,
    ImageTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ImageFormatError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    MapError: HTTPStatus.UNPROCESSABLE_ENTITY,
    OptionError: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnknownModelError: HTTPStatus.NOT_FOUND,
    BudgetError: HTTPStatus.UNPROCESSABLE_ENTITY,
    AuthenticationError: HTTPStatus.UNAUTHORIZED,
    CapacityError: HTTPStatus.SERVICE_UNAVAILABLE,
    RateLimitedError: HTTPStatus.TOO_MANY_REQUESTS,
}
"""A class that is not listed has the status of its nearest base."""

CLIENT_GONE = 499
"""For log and metrics only, as nginx counts it: nobody is left to read the answer."""

_OCCASIONS: Mapping[str, Mapping[int, str]] = {
    "caller": {
        HTTPStatus.BAD_REQUEST: "The request cannot be read.",
        HTTPStatus.UNPROCESSABLE_ENTITY: "An option or the picture cannot be used.",
    },
    "picture": {
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body or the picture exceeds a limit.",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body or the picture is of no accepted format.",
    },
    "key": {
        HTTPStatus.UNAUTHORIZED: "No API key, or an unknown one.",
        HTTPStatus.TOO_MANY_REQUESTS: "The key has used up its share for now; Retry-After says when.",
    },
    "model": {HTTPStatus.NOT_FOUND: "No such model or version."},
    "load": {
        HTTPStatus.INTERNAL_SERVER_ERROR: "The service failed.",
        HTTPStatus.SERVICE_UNAVAILABLE: "The service cannot take the work now; Retry-After says when.",
        HTTPStatus.GATEWAY_TIMEOUT: "The server gave the request up.",
    },
}

_OPERATORS_BUSINESS = (BundleError, GraphError, ProviderError)
"""Their messages name files and drivers of the server."""

_DETAILS: Mapping[int, str] = {
    HTTPStatus.BAD_REQUEST: "The request cannot be read.",
    HTTPStatus.NOT_FOUND: "There is nothing at {path}. {listed}",
    HTTPStatus.METHOD_NOT_ALLOWED: "{method} does not apply to {path}. Use {allow}.",
    HTTPStatus.TOO_MANY_REQUESTS: "There are too many requests at once. Retry later.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The service is not ready. Retry later.",
    HTTPStatus.GATEWAY_TIMEOUT: "The request took longer than the server allows. Ask for less.",
}
_LONGEST_DETAIL = 1000
"""Characters; a detail may quote what was sent, and must not be a way to have it repeated."""

_OTHER_PROTOCOLS = re.compile(r"/v2(/|$)|/v1/models/[^/]*:")
"""Clients of KServe and Triton look for the reason in ``error``, a member that RFC 9457 lets us add."""

_UNEXPECTED = "The service failed in a way that it should not. Its log has the details under this request_id."


def describe_statuses(occasions: Iterable[str]) -> Mapping[int, str]:
    """Say for the documentation which failures there are.

    Args:
        occasions: What can go wrong: ``caller``, ``picture``, ``key``, ``model``, ``load``.
    """
    found: dict[int, str] = {}
    for occasion in occasions:
        found |= {int(status): text for status, text in _OCCASIONS[occasion].items()}
    return dict(sorted(found.items()))


def is_our_failure(status: int) -> bool:
    """Tell whether a status says that the service could not do what it should, for whatever reason.

    Examples:
        >>> is_our_failure(503), is_our_failure(422)
        (True, False)
    """
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR


def is_failure(status: int) -> bool:
    """Tell whether a status is one of a failure."""
    return status >= HTTPStatus.BAD_REQUEST


class ClientGoneError(Exception):
    """The caller closed the connection before the answer was there."""


def status_of(error: SaliserveError) -> HTTPStatus:
    """Look up the status of an error.

    Examples:
        >>> int(status_of(ImageTooLargeError("")))
        413
    """
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem(
    request: Request,
    status: int,
    *,
    code: str,
    detail: str,
    where: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Write a failure in the one shape that all have."""
    observation = observation_of(request)
    observation.code = code
    body = Problem(
        type=f"urn:saliserve:problem:{code}",
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=detail[:_LONGEST_DETAIL],
        code=code,
        where=where,
        request_id=observation.request_id,
    )
    fields = body.model_dump(mode="python")
    if _OTHER_PROTOCOLS.match(request.url.path):
        fields["error"] = body.detail
    # In ASCII: the detail may repeat what the caller sent, lone surrogates included.
    content = json.dumps(fields)
    return Response(content, status_code=status, headers=dict(headers or {}), media_type=PROBLEM_JSON)


def problem_of_status(request: Request, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Describe a failure of which only the status is known: a framework's own answer."""
    headers = headers or {}
    allow = headers.get("Allow") or headers.get("allow", "another method")
    detail = _DETAILS.get(status, _UNEXPECTED).format(
        path=request.url.path[:200], method=request.method, allow=allow, listed=_where_listed(request)
    )
    return problem(request, status, code=_code(status), detail=detail, headers=headers)


def _where_listed(request: Request) -> str:
    """Say where the routes are listed: where the operator turned /docs off, not by the service itself."""
    address = getattr(request.scope.get("app"), "openapi_url", None)
    if address is None:
        return "This instance serves no list of its routes; docs/http.md, which comes with the service, has them."
    return f"{address} lists what there is."


def unexpected(request: Request) -> Response:
    """Describe a failure that nobody foresaw, without its traceback."""
    return problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, code=SaliserveError.code, detail=_UNEXPECTED)


def nothing_here() -> HTTPException:
    """Make what a route raises whose path leads nowhere after all."""
    return HTTPException(HTTPStatus.NOT_FOUND)


def timed_out(request: Request, seconds: float) -> Response:
    """Describe a request that was given up."""
    return problem(
        request,
        HTTPStatus.GATEWAY_TIMEOUT,
        code=_code(HTTPStatus.GATEWAY_TIMEOUT),
        detail=f"The request was not answered within {seconds:g} s, its upload included. Ask for less.",
    )


def install(app: FastAPI) -> None:
    """Have every failure inside *app* answered in this shape."""
    app.add_exception_handler(SaliserveError, _of_error)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(ClientGoneError, _of_absence)
    app.add_exception_handler(ClientDisconnect, _of_absence)  # while its body was being read


def refusal(request: Request, error: SaliserveError) -> Response:
    """Describe what the service refused, or failed to do."""
    status = status_of(error)
    detail = error.detail
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, CapacityError):
        log.error("request failed: %s", error, exc_info=error, extra=observation_of(request).names)
        detail = _UNEXPECTED if isinstance(error, _OPERATORS_BUSINESS) else detail
    return problem(
        request, status, code=error.code, detail=detail, where=error.where, headers=_headers(error)
    )


async def _of_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, SaliserveError):
        raise error
    return refusal(request, error)


async def _of_validation(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    fault = error.errors()[0]
    name = ".".join(str(part) for part in fault["loc"][1:])
    return problem(
        request,
        STATUS[OptionError],
        code=OptionError.code,
        detail=f"{name} = {fault['input']!r:.80}: {fault['msg']}",
        where=f"options.{name}",
    )


async def _of_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return problem_of_status(request, error.status_code, error.headers)


async def _of_absence(request: Request, error: Exception) -> Response:
    del error
    observation_of(request).code = "client_gone"
    return Response(status_code=CLIENT_GONE)


def _headers(error: SaliserveError) -> Mapping[str, str]:
    match error:
        case CapacityError():
            return {"Retry-After": str(max(1, ceil(error.retry_after_s)))}
        case AuthenticationError():
            return {"WWW-Authenticate": "Bearer"}
        case _:
            return {}


def _code(status: int) -> str:
    """``404 -> not_found``; a status without a name is a fault of the server's."""
    try:
        return HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_")
    except ValueError:
        return SaliserveError.code
