"""No request may hold on for ever."""

import asyncio

from fastapi.testclient import TestClient
from starlette.types import Receive, Scope, Send

from service.http.failsafe import Failsafe
from service.http.give_up import GiveUp
from service.http.request_id import RequestId


async def _hangs(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """As a device would that never answers."""
    await asyncio.Future()


async def _hangs_halfway(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=0.05)
    await send({"type": "http.response.body", "body": b"late, but whole"})


async def _fails_by_itself(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise TimeoutError("somebody else's")


def test_a_request_without_end_is_given_up() -> None:
    """504, as of a gateway whose upstream is silent, and the work is cancelled."""
    answer = TestClient(RequestId(GiveUp(_hangs, seconds=0.01))).get("/")

    assert (answer.status_code, answer.json()["code"]) == (504, "gateway_timeout")
    assert "0.01 s" in answer.json()["detail"]


def test_an_answer_that_has_begun_is_finished() -> None:
    """Half an answer is worse than a late one."""
    answer = TestClient(GiveUp(_hangs_halfway, seconds=0.02)).get("/")

    assert (answer.status_code, answer.text) == (200, "late, but whole")


def test_other_timeouts_are_not_taken_for_ours() -> None:
    """They are faults like any other."""
    answer = TestClient(RequestId(Failsafe(GiveUp(_fails_by_itself, seconds=60)))).get("/")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal")


def test_a_quick_answer_leaves_no_timer_behind() -> None:
    """BentoML's timer keeps each request for its whole length."""

    async def quick(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    async def ask() -> int:
        loop = asyncio.get_running_loop()

        async def nothing(*_: object) -> None:
            """Swallow the answer."""

        await GiveUp(quick, seconds=60)({"type": "http"}, nothing, nothing)  # type: ignore[arg-type]
        return sum(not timer.cancelled() for timer in loop._scheduled)  # type: ignore[attr-defined]

    assert asyncio.run(ask()) == 0
