"""Answers as events: progress, and in the end the same answer, or the same problem, as without them."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from service.engine import Engine
from service.errors import OverloadedError
from service.explain.methods import METHODS
from service.http import stream as module
from service.http.application import create_app
from service.http.observation import Observation, observe
from service.http.page.assets import FILES
from service.http.stream import Live, stream
from service.imaging.decode import ImageLimits, decode
from service.request import ExplainOptions
from service.runtime.tally import Progress
from service.settings import Settings
from tests.server import LONGEST_S, ROOT

STREAM = {"Accept": "text/event-stream"}
SMALL = {"occlusion": {"window": "8", "stride": "4"}, "rise": {"masks": "100"}}


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Read a stream as its standard says: events end with an empty line, comments begin with a colon."""
    found = []
    for block in text.split("\n\n"):
        lines = [line.partition(": ") for line in block.split("\n") if line and not line.startswith(":")]
        fields = {name: value for name, _, value in lines}
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def ask(client: TestClient, picture: bytes, **options: str) -> list[tuple[str, dict[str, Any]]]:
    answer = client.post("/v1/explain", files={"image": picture}, data=options, headers=STREAM)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert "content-length" not in answer.headers
    return events(answer.text)


@pytest.fixture
def usable(client: TestClient) -> frozenset[str]:
    """Methods that work for this model."""
    return frozenset(client.get("/v1/models/colours").json()["methods"])


def lasting(answer: dict[str, Any]) -> dict[str, Any]:
    """What two equal requests have in common."""
    return {name: value for name, value in answer.items() if name not in {"request_id", "timings_ms"}}


@pytest.mark.parametrize("method", METHODS)
def test_the_result_is_the_answer_that_comes_without_events(
    client: TestClient, picture: bytes, usable: frozenset[str], method: str
) -> None:
    """Byte for byte, but for clock and name; whoever watches must not get something else."""
    if method not in usable:
        pytest.skip("not for this model")
    options = {"method": method, "receipt": "fast", **SMALL.get(method, {})}
    plain = client.post("/v1/explain", files={"image": picture}, data=options).json()

    *_, (name, result) = ask(client, picture, **options)

    assert name == "result"
    assert lasting(result) == lasting(plain)


@pytest.mark.parametrize("method", METHODS)
def test_progress_ends_at_what_the_answer_says_it_took(
    engine: Engine, make_picture: Callable[..., bytes], usable: frozenset[str], method: str
) -> None:
    """One forward pass to classify, the map's and the receipt's; and never more than was planned at first."""
    if method not in usable:
        pytest.skip("not for this model")
    limits = ImageLimits(max_pixels=10**6, max_side=4000, min_side=8, max_decode_ms=5000)
    parameters = {name: int(value) for name, value in SMALL.get(method, {}).items()}
    told: list[Progress] = []
    options = ExplainOptions(method=method, parameters=parameters, receipt="fast")
    answer = engine.explain(decode(make_picture(), limits), options, told.append).result(LONGEST_S)

    receipt = answer.receipt
    assert receipt is not None
    assert told[-1].forwards_done == 1 + answer.explanation.forwards + receipt.forwards
    assert told[-1].forwards_done <= told[0].forwards_planned
    done, planned = zip(*((one.forwards_done, one.forwards_planned) for one in told), strict=True)
    assert list(done) == sorted(done)
    assert list(planned) == sorted(planned, reverse=True)
    stages = list(dict.fromkeys(one.stage for one in told))
    assert stages == [stage for stage in ("waiting", "predict", "explain", "receipt") if stage in stages]


def test_every_stage_that_is_told_has_a_name_for_people(
    engine: Engine, make_picture: Callable[..., bytes]
) -> None:
    """On the page, and in the document."""
    told: list[Progress] = []
    options = ExplainOptions(method="gradient", measures=("pixels",))
    engine.explain(decode(make_picture(), ImageLimits()), options, told.append).result(LONGEST_S)
    stages = dict.fromkeys(one.stage for one in told)

    assert list(stages) == ["waiting", "predict", "explain", "receipt", "measures"]
    for stage in stages:
        assert f"`{stage}`" in (ROOT / "docs" / "http.md").read_text()
        assert f'  {stage}: "' in (FILES / "progress.js").read_text()


def test_a_map_of_ones_own_is_measured_with_progress_too(client: TestClient, picture: bytes) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(256, dtype=np.float32).reshape(16, 16))
    files = {"image": picture, "map": buffer.getvalue()}

    plain = client.post("/v1/evaluate", files=files).json()
    streamed = events(client.post("/v1/evaluate", files=files, headers=STREAM).text)

    assert streamed[-1][0] == "result"
    assert lasting(streamed[-1][1]) == lasting(plain)


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"method": "tea_leaves"}, 422, "unknown_method"),
        ({"max_forwards": "1"}, 422, "budget_too_small"),
        ({"model": "dogs"}, 404, "unknown_model"),
    ],
)
def test_what_is_refused_before_any_work_has_its_status(
    client: TestClient, picture: bytes, options: dict[str, str], status: int, code: str
) -> None:
    """The stream begins only with the work, so most problems are what they are without it."""
    answer = client.post("/v1/explain", files={"image": picture}, data=options, headers=STREAM)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_failure_under_way_is_the_last_event(client: TestClient, picture: bytes) -> None:
    """Contrasting a class with itself is known only once the picture is classified."""
    plain = client.post("/v1/explain", files={"image": picture}, data={"contrast": "red"})

    *_, (name, problem) = ask(client, picture, contrast="red")

    assert name == "problem"
    assert lasting(problem) == lasting(plain.json())
    assert problem["status"] == plain.status_code


def test_metrics_count_the_failure_and_not_the_header(client: TestClient, picture: bytes) -> None:
    """An alert on failures must see what a stream says after its status has gone out."""

    def count() -> float:
        lines = client.get("/metrics").text.splitlines()
        prefix = 'saliserve_requests_total{method="POST",model="colours",route="/v1/explain",status="422"}'
        return float(next((line.split()[-1] for line in lines if line.startswith(prefix)), 0))

    before = count()
    ask(client, picture, contrast="red")

    assert count() == before + 1


def test_a_missed_deadline_says_when_to_come_back(engine: Engine, settings: Settings, picture: bytes) -> None:
    """The header Retry-After has no place in a stream."""
    held: Future[Any] = Future()
    held.set_exception(OverloadedError("the deadline passed", retry_after_s=2.5))

    class Late:
        models = engine.models

        def explain(self, *_: object) -> "Future[Any]":
            return held

    client = TestClient(create_app(Late(), settings))  # type: ignore[arg-type]
    *_, (name, problem) = ask(client, picture)

    assert (name, problem["code"], problem["status"], problem["retry_after_s"]) == (
        "problem",
        "overloaded",
        503,
        3,
    )


def test_an_unforeseen_failure_keeps_its_details(
    engine: Engine, settings: Settings, picture: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """They belong into the log."""
    broken: Future[Any] = Future()
    broken.set_exception(ZeroDivisionError("secret"))

    class Broken:
        models = engine.models

        def explain(self, *_: object) -> "Future[Any]":
            return broken

    client = TestClient(create_app(Broken(), settings))  # type: ignore[arg-type]
    *_, (name, problem) = ask(client, picture)

    assert (name, problem["status"], problem["code"]) == ("problem", 500, "internal")
    assert "secret" not in json.dumps(problem)
    assert "secret" in caplog.text


def held_open(*messages: Message) -> Request:
    """A connection that delivers these messages and then stays open in silence."""
    left = list(messages)

    async def receive() -> Message:
        return left.pop(0) if left else await asyncio.Future()

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/", "headers": []}
    observe(scope, Observation("r1"))
    return Request(scope, receive)


async def unfinished(_: object) -> Response:
    raise AssertionError("there is nothing to finish")


async def collected(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def test_whoever_hangs_up_cancels_the_work() -> None:
    """As without events."""
    work: Future[int] = Future()
    request = held_open({"type": "http.disconnect"})
    sent = stream(request, work, unfinished, Live(), arrived_s=0.0, longest_s=1e12)

    assert asyncio.run(collected(sent._events)) == b""
    assert work.cancelled()
    assert request.state.observation.status == 499


def test_a_stream_without_end_is_given_up() -> None:
    """The middleware that gives requests up lets go once an answer has begun, and a stream begins at once."""
    work: Future[int] = Future()
    sent = stream(held_open(), work, unfinished, Live(), arrived_s=0.0, longest_s=0.0)

    ((name, problem),) = events(asyncio.run(collected(sent._events)).decode())

    assert (name, problem["code"], problem["status"]) == ("problem", "gateway_timeout", 504)


def test_a_stream_that_is_dropped_cancels_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server stops sending, as it does when it shuts down."""
    monkeypatch.setattr(module, "_PAUSE_S", 0.001)
    work: Future[int] = Future()
    live = Live()
    live.tell(Progress("waiting", 0, 9, None))
    sent = stream(held_open(), work, unfinished, live, arrived_s=0.0, longest_s=1e12)

    async def take_one() -> bytes:
        async with aclosing(sent._events) as chunks:
            return await anext(chunks)

    first = asyncio.run(take_one())

    assert events(first.decode()) == [
        ("progress", {"stage": "waiting", "forwards_done": 0, "forwards_planned": 9, "remaining_ms": None})
    ]
    assert work.cancelled()


def test_a_silent_stream_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments keep proxies from cutting a connection on which nothing moves; readers drop them."""
    monkeypatch.setattr(module, "_PAUSE_S", 0.001)
    monkeypatch.setattr(module, "_SILENCE_S", 0.0)
    work: Future[int] = Future()
    sent = stream(held_open(), work, unfinished, Live(), arrived_s=0.0, longest_s=1e12)

    async def take_one() -> bytes:
        async with aclosing(sent._events) as chunks:
            return await anext(chunks)

    assert asyncio.run(take_one()) == b":\n\n"
