"""Streams as they come over the wire: cut anywhere, broken off, or no streams at all."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator

import httpx2
import pytest
from saliserve_client import AsyncClient, Client, Progress, Retry, errors
from saliserve_client.events import Parser

from tests.client.answers import explain_answer

PROGRESS = {"stage": "explain", "forwards_done": 3, "forwards_planned": 9, "remaining_ms": 120.5}
ODD = "one line\u2028still the same"
"""U+2028 ends a line for Python and for no event stream; JSON may hold it as it is."""


def event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def whole() -> bytes:
    first = {"stage": "waiting", "forwards_done": 0, "forwards_planned": 9, "remaining_ms": None}
    answer = {**explain_answer(), "warnings": [ODD]}
    return event("progress", first) + b":\n\n" + event("progress", PROGRESS) + event("result", answer)


class Pieces(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body in pieces; breaks off with an error if told to."""

    def __init__(self, body: bytes, size: int, fault: Exception | None = None) -> None:
        self._pieces = [body[begin : begin + size] for begin in range(0, len(body), size)]
        self._fault = fault
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        if self._fault is not None:
            raise self._fault

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


def streamed(pieces: Pieces) -> httpx2.Response:
    return httpx2.Response(200, headers={"Content-Type": "text/event-stream; charset=utf-8"}, stream=pieces)


Handler = Callable[[httpx2.Request], httpx2.Response]


def client(handler: Handler, attempts: int = 1) -> Client:
    http = httpx2.Client(base_url="http://service", transport=httpx2.MockTransport(handler))
    return Client(http=http, retry=Retry(attempts=attempts), sleep=lambda _: None)


@pytest.mark.parametrize("size", [1, 2, 7, 64, 100_000])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_events_are_whole_however_the_stream_is_cut(size: int, line_end: bytes) -> None:
    """A proxy may cut and join pieces as it likes, also within a character."""
    stream = whole().replace(b"\n", line_end)
    parser = Parser()

    found = [
        one for begin in range(0, len(stream), size) for one in parser.feed(stream[begin : begin + size])
    ]

    assert [name for name, _ in found] == ["progress", "progress", "result"]
    assert json.loads(found[1][1]) == PROGRESS
    assert json.loads(found[2][1])["warnings"] == [ODD]


def test_both_clients_tell_of_progress_and_return_the_result() -> None:
    told: list[Progress] = []
    asked: list[str] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.headers["accept"])
        return streamed(Pieces(whole(), 50))

    answer = client(handle).explain(b"picture", on_progress=told.append)

    async def ask() -> None:
        http = httpx2.AsyncClient(base_url="http://service", transport=httpx2.MockTransport(handle))
        async with AsyncClient(http=http) as other:
            again = await other.explain(b"picture", on_progress=told.append)
            assert again.raw == answer.raw

    asyncio.run(ask())

    assert answer.warnings == (ODD,)
    assert told == [Progress("waiting", 0, 9, None), Progress(**PROGRESS)] * 2  # type: ignore[arg-type]
    assert asked == ["text/event-stream, application/json;q=0.5"] * 2


def test_without_a_watcher_nothing_is_streamed() -> None:
    """One answer in one piece is cheaper."""
    asked: list[str] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.headers["accept"])
        return httpx2.Response(200, json=explain_answer())

    client(handle).explain(b"picture")

    assert asked == ["application/json"]


def test_a_service_that_knows_no_events_answers_as_ever() -> None:
    """An older one, or a proxy that refuses: the answer counts, there is just no progress."""
    told: list[Progress] = []

    answer = client(lambda _: httpx2.Response(200, json=explain_answer())).explain(
        b"picture", on_progress=told.append
    )

    assert answer.raw == explain_answer()
    assert told == []


def test_a_problem_under_way_is_the_exception_that_it_would_have_been() -> None:
    """With its status and the time to come back, which the stream carries in its data."""
    problem = {"code": "overloaded", "detail": "too late", "status": 503, "retry_after_s": 7}
    stream = event("progress", PROGRESS) + event("problem", problem)

    with pytest.raises(errors.OverloadedError, match="too late") as caught:
        client(lambda _: streamed(Pieces(stream, 30))).explain(b"picture", on_progress=lambda _: None)

    assert (caught.value.status, caught.value.retry_after_s) == (503, 7.0)


@pytest.mark.parametrize("fault", [None, httpx2.ReadError("reset")])
def test_a_stream_that_breaks_off_is_asked_for_again(fault: Exception | None) -> None:
    """A service that is killed closes its connections, cleanly or not."""
    cut = Pieces(event("progress", PROGRESS), 30, fault)
    answers = iter([streamed(cut), streamed(Pieces(whole(), 30))])

    assert (
        client(lambda _: next(answers), attempts=2).explain(b"picture", on_progress=lambda _: None).warnings
    )

    answers = iter([streamed(Pieces(event("progress", PROGRESS), 30, fault))])
    with pytest.raises(errors.ConnectionLostError):
        client(lambda _: next(answers)).explain(b"picture", on_progress=lambda _: None)


def test_whoever_stops_watching_hangs_up() -> None:
    """The service then drops the work; Ctrl-C takes this way too."""
    pieces = Pieces(whole(), 50)

    def enough(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client(lambda _: streamed(pieces)).explain(b"picture", on_progress=enough)

    assert pieces.closed


@pytest.mark.parametrize("data", [b"no JSON", b"[1]", b'{"stage": "explain"}'])
def test_an_event_that_cannot_be_read_is_named(data: bytes) -> None:
    stream = b"event: progress\ndata: " + data + b"\n\n"

    with pytest.raises(errors.UnexpectedAnswerError):
        client(lambda _: streamed(Pieces(stream, 50))).explain(b"picture", on_progress=lambda _: None)
