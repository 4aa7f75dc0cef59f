"""One shape for every failure, whoever raised it."""

import logging
from collections.abc import Iterator

import pytest
from bentoml._internal.server.http.traffic import MaxConcurrencyMiddleware, TimeoutMiddleware
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from service import errors
from service.http import problems
from service.http.access import Access
from service.http.failsafe import Failsafe
from service.http.one_shape import OneShape
from service.http.request_id import RequestId


def _all_errors() -> Iterator[type[errors.SaliserveError]]:
    kinds = [errors.SaliserveError]
    while kinds:
        kind = kinds.pop()
        yield kind
        kinds += kind.__subclasses__()


def _make(kind: type[errors.SaliserveError]) -> errors.SaliserveError:
    if issubclass(kind, errors.CapacityError):
        return kind("too much", retry_after_s=2.2)
    if issubclass(kind, errors.UnsupportedOperatorError):
        return kind("Foo", "node")
    return kind("what was found", where="image")


def _client(error: Exception) -> TestClient:
    """An app whose only route fails."""
    app = FastAPI(middleware=[Middleware(RequestId), Middleware(Access), Middleware(Failsafe)])
    problems.install(app)

    @app.get("/")
    async def fail() -> None:
        raise error

    return TestClient(app)


@pytest.mark.parametrize("kind", dict.fromkeys(_all_errors()))
def test_every_error_of_the_tree_has_a_status_and_its_own_code(kind: type[errors.SaliserveError]) -> None:
    """The caller's mistakes are 4xx, a key's own load is 429, everybody's 503, the rest is the service's fault."""
    answer = _client(_make(kind)).get("/")

    if issubclass(kind, errors.RequestError):
        assert 400 <= answer.status_code < 500
    elif issubclass(kind, errors.CapacityError):
        assert answer.status_code == (429 if kind is errors.RateLimitedError else 503)
    else:
        assert answer.status_code == 500
    assert answer.json()["code"] == kind.code


def test_codes_are_not_shared() -> None:
    """The client maps a code back to one exception."""
    codes = [kind.code for kind in set(_all_errors())]

    assert len(codes) == len(set(codes))


def test_retry_after_is_a_whole_number_of_seconds_and_not_too_soon() -> None:
    """RFC 9110, section 10.2.3 has no fractions; 2.2 s rounded down would be too soon."""
    assert _client(errors.OverloadedError("full", retry_after_s=2.2)).get("/").headers["retry-after"] == "3"
    assert _client(errors.OverloadedError("full", retry_after_s=0.0)).get("/").headers["retry-after"] == "1"


@pytest.mark.parametrize("kind", [errors.DigestError, errors.ProviderError, errors.GraphError])
def test_what_only_the_operator_can_mend_is_told_to_the_operator(
    kind: type[errors.SaliserveError], caplog: pytest.LogCaptureFixture
) -> None:
    """Paths and drivers go to the log, not to strangers."""
    with caplog.at_level(logging.ERROR, logger="service"):
        answer = _client(kind("/srv/models/secret is broken")).get("/")

    assert "secret" not in answer.text
    assert "secret" in caplog.text


def test_an_unforeseen_exception_shows_nothing_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A traceback names files, versions and sometimes values."""
    client = _client(ZeroDivisionError("the secret divisor"))

    with caplog.at_level(logging.ERROR, logger="service"):
        answer = client.get("/", headers={"X-Request-ID": "order-17"})

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "internal"
    assert answer.json()["request_id"] == "order-17"
    assert "secret" not in answer.text
    assert "the secret divisor" in caplog.text


def test_a_framework_error_has_the_shape_too() -> None:
    """Starlette raises these by itself."""
    answer = _client(HTTPException(status_code=418)).get("/")

    assert (answer.status_code, answer.json()["code"]) == (418, "i'm_a_teapot")


def _around(app: ASGIApp) -> TestClient:
    return TestClient(RequestId(Access(OneShape(app))))


async def _slow(_scope: Scope, receive: Receive, _send: Send) -> None:
    """Never answers; a second receive() waits for the end of the connection."""
    while True:
        await receive()


def test_bentomls_timeout_has_the_shape() -> None:
    """Its own middleware, at its own hand: {"error": ...} with status 504."""
    answer = _around(TimeoutMiddleware(_slow, timeout=0.01)).post("/v1/explain")

    assert (answer.status_code, answer.json()["code"]) == (504, "gateway_timeout")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


def test_bentomls_concurrency_limit_has_the_shape() -> None:
    """Status 429 without a word on when to return."""
    limited = MaxConcurrencyMiddleware(_slow, max_concurrency=1)
    limited._semaphore._value = 0

    answer = _around(limited).post("/v1/explain")

    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")


def test_a_success_passes_unchanged() -> None:
    """Only failures are rewritten."""

    async def fine(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
        )
        await send({"type": "http.response.body", "body": b"as ", "more_body": True})
        await send({"type": "http.response.body", "body": b"it is"})

    answer = _around(fine).get("/")

    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (
        200,
        "as it is",
        "text/plain",
    )


def test_our_own_problem_passes_unchanged() -> None:
    """The inner app's detail must not be replaced by a general one."""
    inner = _client(errors.UnknownModelError("no model vgg", where="options.model")).app

    answer = _around(inner).get("/")

    assert answer.json()["detail"] == "no model vgg"
