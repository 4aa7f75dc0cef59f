"""A body is measured while it arrives, not after."""

import asyncio
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from service.errors import ImageTooLargeError
from service.http.limits import BodyLimit


def _scope(**headers: str) -> Scope:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": "/", "headers": raw}


class _Sender:
    """Sends far more chunks of ten bytes than are allowed, and counts those that are taken."""

    def __init__(self) -> None:
        self.chunks = 0

    async def receive(self) -> Message:
        self.chunks += 1
        return {"type": "http.request", "body": b"x" * 10, "more_body": self.chunks < 100}


async def _read_all(scope: Scope, receive: Receive, send: Send) -> None:
    del send
    await Request(scope, receive).body()


async def _send(message: Message) -> None:
    raise AssertionError(f"nothing is to be answered here: {message}")


def test_an_endless_body_is_cut_off_at_the_limit() -> None:
    """Without a declared length, five chunks fit into fifty bytes; the sixth is the last one taken."""
    sender = _Sender()

    with pytest.raises(ImageTooLargeError, match="50"):
        asyncio.run(BodyLimit(_read_all, max_bytes=50)(_scope(), sender.receive, _send))

    assert sender.chunks == 6


def test_a_declared_length_over_the_limit_is_refused_unread() -> None:
    """Not one byte of it is taken."""
    sender = _Sender()

    with pytest.raises(ImageTooLargeError, match="51 bytes are declared"):
        asyncio.run(BodyLimit(_read_all, max_bytes=50)(_scope(content_length="51"), sender.receive, _send))

    assert sender.chunks == 0


def test_a_false_declaration_does_not_help() -> None:
    """The bytes that arrive count."""
    with pytest.raises(ImageTooLargeError):
        asyncio.run(BodyLimit(_read_all, max_bytes=50)(_scope(content_length="1"), _Sender().receive, _send))


def test_a_chunked_body_over_the_limit_is_a_problem(client: TestClient) -> None:
    """As a caller sees it."""

    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b"\0" * 10_000

    answer = client.post("/v1/predict", content=chunks(), headers={"Content-Type": "image/png"})

    assert (answer.status_code, answer.json()["code"]) == (413, "image_too_large")


def test_a_form_over_the_limit_is_a_problem(client: TestClient) -> None:
    """The form's parser must let the error pass."""
    answer = client.post("/v1/predict", files={"image": b"\0" * 400_000})

    assert (answer.status_code, answer.json()["code"]) == (413, "image_too_large")
