"""An answer as a stream of events: how far the work has come, and in the end the result or the problem.

Server-sent events (HTML Living Standard, section 9.2) on the request's own connection: nothing is kept between
requests, any worker can answer, and whoever hangs up cancels the work.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import asdict
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.errors import SaliserveError
from service.http.observation import observation_of
from service.http.problems import CLIENT_GONE, ClientGoneError, refusal, timed_out, unexpected
from service.http.reply import EVENTS
from service.http.waiting import answer
from service.runtime.tally import Progress
from service.schemas import ProgressBody

log = logging.getLogger(__name__)

T = TypeVar("T")

_PAUSE_S = 0.1
"""Between two events: often enough to look alive, seldom enough to cost nothing."""

_SILENCE_S = 10.0
"""Proxies cut connections on which nothing moves, after a minute or so; a comment moves and says nothing."""


class Live:
    """The last that the engine told. Written by the device's thread, read by the event loop's."""

    progress: Progress | None = None

    def tell(self, progress: Progress) -> None:
        """Keep it."""
        self.progress = progress


class EventStream(Response):
    """Sends events as they come."""

    media_type = EVENTS

    def __init__(self, events: AsyncGenerator[bytes]) -> None:
        # The second header is nginx's: without it a proxy may collect events until it has a bufferful.
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them; they see for themselves when the caller has gone."""
        del scope, receive
        async with aclosing(self._events) as events:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            async for event in events:
                await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


async def deliver(
    request: Request,
    form: str,
    work: "Future[T]",
    finish: Callable[[T], Awaitable[Response]],
    live: Live,
    *,
    arrived_s: float,
    longest_s: float,
) -> Response:
    """Answer in one piece, or with events if that is the media type *form*; the rest as for :func:`stream`."""
    if form == EVENTS:
        return stream(request, work, finish, live, arrived_s=arrived_s, longest_s=longest_s)
    return await finish(await answer(request, work))


def stream(
    request: Request,
    work: "Future[T]",
    finish: Callable[[T], Awaitable[Response]],
    live: Live,
    *,
    arrived_s: float,
    longest_s: float,
) -> EventStream:
    """Answer with events.

    Args:
        request: Its body read to the end.
        work: Cancelled if the caller goes away, or if the request is given up.
        finish: Makes the answer that the request would have got without events.
        live: What the engine tells.
        arrived_s: When the request arrived, by :func:`time.perf_counter`.
        longest_s: When it is given up, in seconds from then. The middleware lets go once an answer has begun.
    """
    return EventStream(_events(request, work, finish, live, arrived_s=arrived_s, longest_s=longest_s))


async def _events(
    request: Request,
    work: "Future[T]",
    finish: Callable[[T], Awaitable[Response]],
    live: Live,
    *,
    arrived_s: float,
    longest_s: float,
) -> AsyncGenerator[bytes]:
    working = asyncio.ensure_future(answer(request, work))
    try:
        async with aclosing(_until(working, live, arrived_s + longest_s)) as telling:
            async for event in telling:
                yield event
        if working.done():
            yield _event("result", (await finish(working.result())).body)
        else:
            yield _failed(request, timed_out(request, longest_s))
    except ClientGoneError:
        observation = observation_of(request)
        observation.code, observation.status = "client_gone", CLIENT_GONE
    except SaliserveError as error:
        yield _failed(request, refusal(request, error))
    except Exception:
        log.exception("unforeseen", extra=observation_of(request).names)
        yield _failed(request, unexpected(request))
    finally:
        working.cancel()
        work.cancel()  # a task that is cancelled before its first step never gets to do it


async def _until(working: "asyncio.Future[T]", live: Live, end_s: float) -> AsyncGenerator[bytes]:
    """Tell of the work while it lasts, but no longer than until *end_s*."""
    told, moved_s = None, time.perf_counter()
    while not working.done() and (now_s := time.perf_counter()) < end_s:
        if live.progress is not None and live.progress is not told:
            told, moved_s = live.progress, now_s
            yield _event("progress", ProgressBody(**asdict(told)).model_dump_json().encode())
        elif now_s - moved_s > _SILENCE_S:
            moved_s = now_s
            yield b":\n\n"
        await asyncio.wait({working}, timeout=min(_PAUSE_S, end_s - now_s))


def _failed(request: Request, problem: Response) -> bytes:
    """Write a problem where its status and headers cannot be sent any more."""
    observation_of(request).status = problem.status_code
    told = json.loads(bytes(problem.body))
    if "retry-after" in problem.headers:
        told["retry_after_s"] = int(problem.headers["retry-after"])
    return _event("problem", json.dumps(told).encode())


def _event(name: str, data: bytes | memoryview) -> bytes:
    """Write an event; JSON without indentation holds no line end, which would end the data."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)
