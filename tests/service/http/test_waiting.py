"""Whoever hangs up must not keep the device busy."""

import asyncio
import logging
from concurrent.futures import CancelledError, Future

import numpy as np
import pytest
from starlette.requests import Request
from starlette.types import Message

from service import monitoring
from service.engine import Engine
from service.http.application import create_app
from service.http.problems import ClientGoneError
from service.http.waiting import answer
from service.request import PredictOptions
from service.settings import Settings


def _request(*messages: Message) -> Request:
    """A connection that delivers these messages and then stays open in silence."""
    left = list(messages)

    async def receive() -> Message:
        if left:
            return left.pop(0)
        return await asyncio.Future()

    return Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)


def test_the_answer_of_the_engine_is_returned() -> None:
    """The connection stays open and silent, as it does."""
    work: Future[int] = Future()
    work.set_result(7)

    assert asyncio.run(answer(_request(), work)) == 7


def test_the_engines_error_is_raised_as_it_is() -> None:
    """Its class decides the status."""
    work: Future[int] = Future()
    work.set_exception(LookupError("no such thing"))

    with pytest.raises(LookupError, match="no such thing"):
        asyncio.run(answer(_request(), work))


def test_a_closed_connection_cancels_the_work() -> None:
    """The scheduler drops cancelled plans before their next micro-batch."""
    work: Future[int] = Future()

    with pytest.raises(ClientGoneError):
        asyncio.run(answer(_request({"type": "http.disconnect"}), work))

    assert work.cancelled()


def test_a_request_that_the_server_gives_up_cancels_the_work() -> None:
    """BentoML's timeout cancels the handler; its work must not go on."""
    work: Future[int] = Future()

    async def given_up() -> None:
        async with asyncio.timeout(0.01):
            await answer(_request(), work)

    with pytest.raises(TimeoutError):
        asyncio.run(given_up())

    with pytest.raises(CancelledError):
        work.result(timeout=1)


def test_a_caller_who_hangs_up_frees_the_device(engine: Engine, settings: Settings, picture: bytes) -> None:
    """Through the whole app: 20,000 masks are asked for, and dropped once the first are on the device."""
    app = create_app(engine, settings)
    statuses: list[int] = []
    body = iter([{"type": "http.request", "body": picture, "more_body": False}])

    async def receive() -> Message:
        for message in body:
            return message
        while engine.queued_forwards == 0:  # noqa: ASYNC110 - what is waited for happens on another thread
            await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        statuses.append(message.get("status", 0))

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/explain",
        "query_string": b"method=rise&masks=20000&agreement=0.999999&receipt=none&cells=3",
        "headers": [(b"content-type", b"image/png"), (b"content-length", b"%d" % len(picture))],
    }
    before = cancelled()
    asyncio.run(app(scope, receive, send))

    assert statuses[0] == 499
    assert engine.predict(np.zeros((20, 20, 3), np.uint8), PredictOptions()).result(30)
    assert cancelled() == before + 1
    assert engine.queued_forwards == 0


@pytest.mark.parametrize("content_type", [b"image/png", b"multipart/form-data; boundary=x"])
def test_a_caller_who_hangs_up_while_sending_is_no_failure_of_ours(
    engine: Engine, settings: Settings, content_type: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A phone that loses its network is to wake nobody: no 5xx is counted, and no exception logged."""
    statuses: list[int] = []
    messages = iter(
        [{"type": "http.request", "body": b"--x", "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        statuses.append(message.get("status", 0))

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/predict",
        "query_string": b"",
        "headers": [(b"content-type", content_type), (b"content-length", b"5000")],
    }
    with caplog.at_level(logging.ERROR, "service"):
        asyncio.run(create_app(engine, settings)(scope, receive, send))

    assert statuses[0] == 499
    assert not caplog.records


def cancelled() -> float:
    """Requests dropped so far."""
    return monitoring.CANCELLATIONS.labels("explain")._value.get()
