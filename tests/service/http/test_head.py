"""HEAD is answered wherever GET is: load balancers ask so for health, browsers and mirrors for files."""

import asyncio

import pytest
from fastapi.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from service import monitoring
from service.http.head import Head

READABLE = (
    "/livez",
    "/healthz",
    "/readyz",
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/colours",
    "/v1/models",
    "/v1/models/colours",
    "/openapi.json",
    "/docs",
    "/samples",
    "/",
)


@pytest.mark.parametrize("path", READABLE)
def test_head_is_get_without_the_body(client: TestClient, path: str) -> None:
    """The same status and the same headers, the length that GET's body has among them (RFC 9110, 9.3.2)."""
    get, head = client.get(path), client.head(path)

    assert (head.status_code, head.content) == (get.status_code, b"") == (200, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == get.headers[name]


def test_the_metrics_too(client: TestClient) -> None:
    """Their length changes from one moment to the next."""
    head = client.head("/metrics")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == client.get("/metrics").headers["content-type"]


def test_what_get_does_not_find_or_may_not_head_does_not_either(client: TestClient) -> None:
    assert client.head("/nothing").status_code == 404
    post_only = client.head("/v1/predict")
    assert (post_only.status_code, post_only.headers["allow"]) == (405, "POST")


def test_it_is_told_where_methods_are_listed(client: TestClient) -> None:
    assert client.post("/livez").headers["allow"] == "GET, HEAD"


def test_it_is_counted_as_what_it_was(client: TestClient) -> None:
    """By the route's template, not as unmatched; and not as GET."""
    counter = monitoring.REQUESTS.labels("HEAD", "/v1/models/{name}", "", "200")
    before = counter._value.get()

    client.head("/v1/models/colours")

    assert counter._value.get() == before + 1


def test_the_server_still_knows_that_it_is_head() -> None:
    """uvicorn would wait for the body that Content-Length announces, and break the connection off."""
    sent: list[Message] = []

    async def answers(scope: Scope, _receive: Receive, send: Send) -> None:
        assert scope["method"] == "GET"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"body"})

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "HEAD", "path": "/", "headers": []}
    asyncio.run(Head(answers)(scope, receive, send))

    assert scope["method"] == "HEAD"
    assert [message.get("body") for message in sent] == [None, b""]
