"""Many bodies that are each allowed must not fill the memory together."""

import asyncio
import json
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from service import monitoring
from service.errors import OverloadedError
from service.http.uploads import UploadLimit
from tests.server import Server, running_server, until


def _scope(announced: int | None = None) -> Scope:
    headers = [] if announced is None else [(b"content-length", str(announced).encode())]
    return {"type": "http", "method": "POST", "path": "/", "headers": headers}


class _Caller:
    """Sends one chunk, and the rest when told to.

    Args:
        chunk: Sent at first.
        rest: Sent at last.
    """

    def __init__(self, chunk: int, rest: int = 0) -> None:
        self.go_on = asyncio.Event()
        self.chunks = 0
        self._sizes = (chunk, rest)

    async def receive(self) -> Message:
        self.chunks += 1
        if self.chunks > 1:
            await self.go_on.wait()
        size = self._sizes[self.chunks - 1]
        return {"type": "http.request", "body": b"x" * size, "more_body": self.chunks == 1}


async def _read_all(scope: Scope, receive: Receive, send: Send) -> None:
    del send
    await Request(scope, receive).body()


async def _send(message: Message) -> None:
    raise AssertionError(f"nothing is to be answered here: {message}")


async def _begun(limit: UploadLimit, caller: _Caller, announced: int | None = None) -> "asyncio.Task[None]":
    task = asyncio.ensure_future(limit(_scope(announced), caller.receive, _send))
    for _ in range(5):
        await asyncio.sleep(0)
    return task


def test_bodies_under_way_are_bounded_together_and_released_at_their_end() -> None:
    """60 of 100 bytes are held, so that 50 more are too many; when the first request has ended they fit."""

    async def scenario() -> None:
        limit, first, second = UploadLimit(_read_all, max_bytes=100), _Caller(60), _Caller(50)
        under_way = await _begun(limit, first)

        with pytest.raises(OverloadedError, match=r"1 requests under way hold 60 bytes.*may hold 100.*of 50"):
            await limit(_scope(), second.receive, _send)
        first.go_on.set()
        await under_way
        third = _Caller(50)
        third.go_on.set()
        await limit(_scope(), third.receive, _send)

    asyncio.run(scenario())


def test_whoever_crosses_the_bound_is_refused_and_the_others_go_on() -> None:
    """Two hold 45 each; the one that goes on first crosses the bound and lets go, so the other can end."""

    async def scenario() -> None:
        limit, callers = UploadLimit(_read_all, max_bytes=100), [_Caller(45, 45), _Caller(45, 45)]
        first, second = [await _begun(limit, caller) for caller in callers]

        callers[0].go_on.set()
        with pytest.raises(OverloadedError):
            await first
        callers[1].go_on.set()
        await second

    asyncio.run(scenario())


def test_an_announcement_alone_keeps_nobody_out() -> None:
    """Headers cost a stranger nothing: only what has come is counted."""

    async def scenario() -> None:
        limit, silent, honest = UploadLimit(_read_all, max_bytes=100), _Caller(0, 90), _Caller(90)
        waiting = await _begun(limit, silent, announced=90)

        honest.go_on.set()
        await limit(_scope(90), honest.receive, _send)
        silent.go_on.set()
        await waiting

    asyncio.run(scenario())


def test_what_is_announced_and_cannot_fit_is_refused_unread() -> None:
    """Not one byte of it is taken: the caller need not send 20 MB to hear no."""

    async def scenario() -> None:
        limit, first, late = UploadLimit(_read_all, max_bytes=100), _Caller(60), _Caller(1)
        under_way = await _begun(limit, first)

        with pytest.raises(OverloadedError):
            await limit(_scope(50), late.receive, _send)
        assert late.chunks == 0
        first.go_on.set()
        await under_way

    asyncio.run(scenario())


def test_the_time_to_come_back_is_reckoned_from_the_ages(monkeypatch: pytest.MonkeyPatch) -> None:
    """80 bytes have been held for 30 s, so 80 are released in 30 s; 40 lack: half of it."""
    clock = iter([0.0, 30.0, 30.0])
    monkeypatch.setattr("service.http.uploads.time", SimpleNamespace(monotonic=lambda: next(clock)))

    async def scenario() -> None:
        limit, first = UploadLimit(_read_all, max_bytes=100), _Caller(80)
        under_way = await _begun(limit, first)

        with pytest.raises(OverloadedError) as refused:
            await limit(_scope(60), _Caller(60).receive, _send)
        assert refused.value.retry_after_s == pytest.approx(15)
        first.go_on.set()
        await under_way

    asyncio.run(scenario())


def test_a_request_that_fails_lets_go_of_its_bytes() -> None:
    """Else the bound would shrink until nobody got in."""
    held = monitoring.UPLOAD_BYTES._value
    before = held.get()

    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        await _read_all(scope, receive, send)
        assert held.get() == before + 60
        raise ZeroDivisionError

    async def scenario() -> None:
        limit = UploadLimit(fails, max_bytes=100)
        for _ in range(3):
            caller = _Caller(60)
            caller.go_on.set()
            with pytest.raises(ZeroDivisionError):
                await limit(_scope(), caller.receive, _send)

    asyncio.run(scenario())

    assert held.get() == before


@pytest.fixture
def server(models: Path, tmp_path: Path) -> Iterator[Server]:
    """One that holds 1 MiB."""
    limits = {"max_body_bytes": 400_000, "max_uploads_mib": 1}
    with running_server(tmp_path, models=models, threads=1, **limits) as server:
        yield server


def large_picture(folder: Path) -> bytes:
    """A picture of noise, whose file is some 300 kB."""
    pixels = np.random.default_rng(7).integers(0, 256, (320, 320, 3), np.uint8)
    PIL.Image.fromarray(pixels).save(folder / "noise.png")
    return (folder / "noise.png").read_bytes()


def answered(response: HTTPResponse) -> tuple[int, dict[str, object]]:
    return response.status, json.loads(response.read())


def test_slow_uploads_fill_the_servers_share_and_no_more(server: Server, tmp_path: Path) -> None:
    """Three of 300 kB arrive slowly; the fourth is told when to come back, and small ones still get in.

    When the three are answered it fits.
    """
    picture = large_picture(tmp_path)
    assert 300_000 < len(picture) < 340_000
    slow = [server.begin("/v1/predict", picture) for _ in range(3)]
    held = f"saliserve_upload_bytes {3 * len(picture) - 3}.0\n"
    until(lambda: held in server.ask("GET", "/metrics").text, "the arrival of three uploads")

    raw = {"Content-Type": "application/octet-stream"}
    refused = server.ask("POST", "/v1/predict", content=picture, headers=raw)
    form = server.ask("POST", "/v1/predict", files={"image": picture})
    metrics = server.ask("GET", "/metrics").text
    small = server.ask("POST", "/v1/predict", content=picture[:2000], headers=raw)

    for answer in (refused, form):
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded"), answer.text
        assert int(answer.headers["retry-after"]) >= 1
    assert "saliserve_refused_uploads_total 2.0\n" in metrics
    assert small.json()["code"] == "corrupt_image"  # it was read, and it is but a piece
    for connection in slow:
        connection.send(picture[-1:])
        status, body = answered(connection.getresponse())
        assert (status, "prediction" in body) == (200, True), body
        connection.close()
    assert server.post("/v1/predict", picture)["prediction"]
    assert "saliserve_upload_bytes 0.0\n" in server.ask("GET", "/metrics").text
