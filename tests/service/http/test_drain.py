"""The end of a worker, without a process to end."""

import asyncio
import contextlib
import signal

import httpx2
import pytest

from service.engine import Engine
from service.errors import DrainingError
from service.http.application import create_app
from service.http.drain import Drain
from service.settings import Settings

RAW = {"Content-Type": "image/png"}


def test_before_the_end_nothing_is_refused() -> None:
    """The check stands on the path of every request."""
    Drain().check()


def test_it_waits_for_the_last_request_and_refuses_new_ones() -> None:
    """Two are under way; the end comes with the second of them."""

    async def scene() -> list[str]:
        drain, seen = Drain(), []
        with drain.request():
            with drain.request():
                ending = asyncio.ensure_future(drain.run())
                await asyncio.sleep(0)
                with pytest.raises(DrainingError):
                    drain.check()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            seen.append("done" if ending.done() else "waiting")
        await ending
        seen.append("done")
        return seen

    assert asyncio.run(scene()) == ["waiting", "done"]


def test_a_load_balancer_is_given_its_time() -> None:
    """Although nothing is under way."""

    async def scene() -> float:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await Drain(at_least_s=0.05).run()
        return loop.time() - begin

    assert asyncio.run(scene()) >= 0.05


@pytest.mark.parametrize("signals", [1, 2])
def test_the_server_gets_its_signal_in_the_end(signals: int) -> None:
    """When all is answered; or at the second signal, although a request hangs."""
    received: list[int] = []

    async def scene() -> None:
        drain, told = Drain(), asyncio.Event()
        signal.signal(signal.SIGTERM, lambda number, _: (received.append(number), told.set()))
        drain.listen()
        with drain.request() if signals > 1 else contextlib.nullcontext():
            for _ in range(signals):
                signal.raise_signal(signal.SIGTERM)
                await asyncio.sleep(0.01)
            await asyncio.wait_for(told.wait(), 10)

    before = signal.getsignal(signal.SIGTERM)
    try:
        asyncio.run(scene())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [signal.SIGTERM]


def test_routes_of_operation_answer_to_the_last(engine: Engine, settings: Settings, picture: bytes) -> None:
    """Readiness fails, liveness and metrics do not; everything else is refused in the one shape."""

    async def scene() -> dict[str, httpx2.Response]:
        drain = Drain()
        transport = httpx2.ASGITransport(create_app(engine, settings, drain=drain))
        async with httpx2.AsyncClient(transport=transport, base_url="http://service") as http:
            await drain.run()
            paths = ("/livez", "/healthz", "/metrics", "/readyz", "/", "/v1/models", "/nothing")
            answers = {path: await http.get(path) for path in paths}
            return answers | {"/v1/predict": await http.post("/v1/predict", content=picture, headers=RAW)}

    answers = asyncio.run(scene())

    assert {path for path, answer in answers.items() if answer.status_code == 200} == {
        "/livez",
        "/healthz",
        "/metrics",
    }
    for answer in answers.values():
        if answer.status_code != 200:
            assert (answer.status_code, answer.json()["code"]) == (503, "draining")
            assert answer.headers["retry-after"] == "1"
