"""What needs a key, what does not, and that nothing of a key leaks."""

import asyncio
import logging
import time
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from starlette.types import Message, Scope

from service.engine import Engine
from service.http.application import create_app
from service.http.observation import observation_in
from service.keys import make_key
from service.settings import Settings

KEY, LINE = make_key("ward-7")
RAW = {"Content-Type": "image/png"}
WITH_KEY = {"Authorization": f"Bearer {KEY}"}


def guarded(engine: Engine, settings: Settings, **more: Any) -> TestClient:
    return TestClient(create_app(engine, settings.model_copy(update={"keys": (LINE,), **more})))


@pytest.fixture
def door(engine: Engine, settings: Settings) -> TestClient:
    return guarded(engine, settings)


def refused(answer: Response) -> bool:
    return answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer  {KEY} "},
        {"X-API-Key": KEY},
        {"Authorization": "Basic eDp5", "X-API-Key": KEY},
    ],
)
def test_a_known_key_opens(door: TestClient, picture: bytes, headers: dict[str, str]) -> None:
    """In either header; the scheme's case does not count (RFC 9110, section 11.1)."""
    assert door.post("/v1/predict", content=picture, headers={**RAW, **headers}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {KEY}x"},
        {"Authorization": f"Bearer {LINE}"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": KEY},
        {"Authorization": "Bearer " + "x" * 5000},
        {"Authorization": "Bearer wrong", "X-API-Key": KEY},
        {"X-API-Key": ""},
        {"X-API-Key": "é".encode()},
        {"Cookie": f"key={KEY}"},
    ],
)
def test_no_key_or_another_is_refused(door: TestClient, picture: bytes, headers: dict[str, Any]) -> None:
    """With the scheme that would do (RFC 9110, section 11.6.1), in the one shape."""
    answer = door.post("/v1/predict", content=picture, headers={**RAW, **headers})

    assert refused(answer)
    assert answer.json()["code"] == "unauthenticated"
    assert answer.json()["request_id"]


def test_a_key_in_the_address_or_the_form_does_not_count(door: TestClient, picture: bytes) -> None:
    """Addresses are logged by everything on the way."""
    assert refused(door.post(f"/v1/predict?api_key={KEY}", content=picture, headers=RAW))
    assert refused(door.post("/v1/predict", files={"image": picture}, data={"api_key": KEY}))


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models",
        "/v1/models/colours",
        "/v1",
        "/nothing",
        "/livez/",
        "/samples/../v1/models",
        "/LIVEZ",
        "/page",
        "/docsx",
    ],
)
def test_what_is_not_open_is_closed(door: TestClient, path: str) -> None:
    """Also what is not there: who has no key learns nothing."""
    assert refused(door.get(path, follow_redirects=False))
    assert not refused(door.get(path, headers=WITH_KEY, follow_redirects=False))


@pytest.mark.parametrize("path", ["/livez", "/healthz", "/readyz"])
def test_health_is_open(engine: Engine, settings: Settings, path: str) -> None:
    """Platforms have no keys."""
    client = guarded(engine, settings, guard_metrics=True, guard_docs=True)
    assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    ("setting", "paths"),
    [
        ("guard_metrics", ["/metrics"]),
        (
            "guard_docs",
            [
                "/docs",
                "/docs/receipt.schema.json",
                "/openapi.json",
                "/",
                "/samples",
                "/docs/assets/swagger-ui.css",
            ],
        ),
    ],
)
def test_metrics_and_pages_are_guarded_by_their_own_settings(
    engine: Engine, settings: Settings, door: TestClient, setting: str, paths: list[str]
) -> None:
    """Open unless the operator says otherwise."""
    closed = guarded(engine, settings, **{setting: True})
    for path in paths:
        assert door.get(path).status_code == 200
        assert refused(closed.get(path))
        assert closed.get(path, headers=WITH_KEY).status_code == 200


def test_browsers_may_ask_before_they_send_a_key(door: TestClient) -> None:
    """A preflight request never carries one."""
    asked = {
        "Origin": "https://trusted.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-api-key",
    }
    assert door.options("/v1/predict", headers=asked).status_code == 200


def test_nothing_about_keys_is_logged_or_answered(
    door: TestClient, picture: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a right one nor a wrong one, nor whose it is."""
    with caplog.at_level(logging.DEBUG):
        right = door.post("/v1/predict", content=picture, headers={**RAW, **WITH_KEY})
        wrong = door.get("/v1/models", headers={"X-API-Key": "a-wrong-key"})
    said = right.text + wrong.text + str([vars(record) for record in caplog.records])

    for secret in (KEY, LINE.partition(":")[2], "ward-7", "a-wrong-key"):
        assert secret not in said


def test_the_published_description_says_of_keys_where_there_are_any(
    door: TestClient, client: TestClient
) -> None:
    """Generators of clients, and the page that tries routes out, ask for what is described."""
    closed, opened = door.get("/openapi.json").json(), client.get("/openapi.json").json()

    assert set(closed["components"]["securitySchemes"]) == {"bearer", "header"}
    assert "application/problem+json" in closed["paths"]["/v1/models"]["get"]["responses"]["401"]["content"]
    assert "security" not in closed["paths"]["/livez"]["get"]
    assert "401" not in str(opened["paths"])


def test_who_has_used_up_the_share_waits_as_long_as_is_said(
    engine: Engine, settings: Settings, picture: bytes
) -> None:
    """The second request finds the debt of the first, at a thousandth of a pass a second; health stays open."""
    door = guarded(engine, settings, key_forwards_per_s=0.001, key_burst_forwards=2)
    url = "/v1/explain?method=gradient&receipt=none"
    begin_s = time.monotonic()
    first = door.post(url, content=picture, headers={**RAW, **WITH_KEY})

    second = door.post(url, content=picture, headers={**RAW, **WITH_KEY})
    passed_s = time.monotonic() - begin_s

    assert first.status_code == 200
    spent = 1 + first.json()["explanation"]["forwards"]
    assert (second.status_code, second.json()["code"]) == (429, "rate_limited")
    # What is missing to one forward pass, less what has flown in meanwhile.
    missing_s = 1000 * (1 - (2 - spent))
    assert missing_s - passed_s <= int(second.headers["retry-after"]) <= missing_s
    assert door.get("/readyz").status_code == 200


def test_who_hangs_up_pays_for_what_was_run_in_vain(
    engine: Engine, settings: Settings, picture: bytes
) -> None:
    """Else a key could have the device to itself for nothing, by never waiting for an answer."""
    door = guarded(engine, settings, key_forwards_per_s=0.001, key_burst_forwards=2)
    sent = iter([{"type": "http.request", "body": picture, "more_body": False}])

    async def receive() -> Message:
        for message in sent:
            return message
        while observation_in(scope).journeys[0].forwards < 10:  # type: ignore[union-attr]  # noqa: ASYNC110 - another thread's
            await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        """Nobody is there."""

    headers = {**RAW, **WITH_KEY, "Content-Length": str(len(picture))}
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/explain",
        "query_string": b"method=rise&masks=20000&agreement=0.999999&receipt=none&cells=3",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(door.app(scope, receive, send))

    assert door.post("/v1/predict", content=picture, headers={**RAW, **WITH_KEY}).status_code == 429


def test_one_key_does_not_use_up_anothers_share(engine: Engine, settings: Settings, picture: bytes) -> None:
    other, line = make_key("ward-8")
    door = guarded(engine, settings, keys=(LINE, line), key_forwards_per_s=0.001, key_burst_forwards=1)

    def ask(key: str) -> int:
        return door.post("/v1/predict", content=picture, headers={**RAW, "X-API-Key": key}).status_code

    assert [ask(KEY), ask(KEY), ask(other), ask(other)] == [200, 429, 200, 429]


@pytest.mark.parametrize(
    "place",
    [
        {"params": {"key": KEY}},
        {"params": {"api_key": KEY}},
        {"params": {"access_token": KEY}},
        {"headers": {"Proxy-Authorization": f"Bearer {KEY}"}},
        {"data": {"key": KEY}},
    ],
)
def test_a_key_in_the_wrong_place_opens_nothing_and_comes_back_nowhere(
    door: TestClient, caplog: pytest.LogCaptureFixture, place: dict[str, Any]
) -> None:
    """Queries and forms end up in logs, so a key is not looked for there."""
    with caplog.at_level(logging.DEBUG, "service"):
        answer = door.post("/v1/predict", **place)

    assert refused(answer)
    assert KEY not in answer.text + str(answer.headers) + caplog.text
    assert "ward-7" not in answer.text


def test_the_protocols_of_others_ask_for_a_key_too(door: TestClient) -> None:
    """And say so where their clients look; only their health is open."""
    for path in ("/v2/models/colours/infer", "/v1/models/colours:predict"):
        answer = door.post(path, json={})
        assert refused(answer)
        assert "asks for an API key" in answer.json()["error"]
    assert refused(door.get("/v2"))
    assert door.get("/v2/health/ready").status_code == 200
