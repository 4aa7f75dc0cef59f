"""Waiting for the engine without blocking the event loop, and no longer than the caller does."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from starlette.requests import Request

from service.http.problems import ClientGoneError

T = TypeVar("T")


async def answer(request: Request, work: "Future[T]") -> T:
    """Wait for the engine's answer.

    Args:
        request: Its body read to the end.
        work: Cancelled if the caller goes away, or if the server gives the request up.

    Raises:
        ClientGoneError: The caller closed the connection.
    """
    (only,) = await answers(request, [work])
    return only


async def answers(request: Request, works: "Sequence[Future[T]]") -> list[T]:
    """Wait for several; the first that fails is the failure of all.

    Args:
        request: Its body read to the end.
        works: Cancelled if the caller goes away, or if the server gives the request up, or if one of them fails.

    Raises:
        ClientGoneError: The caller closed the connection.
    """
    each = [asyncio.wrap_future(work) for work in works]
    waiting = asyncio.gather(*each)
    waiting.add_done_callback(_heed)
    leaving = asyncio.ensure_future(_closed(request))
    try:
        both: set[asyncio.Future[Any]] = {waiting, leaving}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        raise ClientGoneError
    finally:
        leaving.cancel()
        waiting.cancel()
        for one in each:
            one.cancel()


def _heed(waiting: "asyncio.Future[list[T]]") -> None:
    """Look at a failure that nobody waits for any more; asyncio would complain in the log that nobody did."""
    if not waiting.cancelled():
        waiting.exception()


async def _closed(request: Request) -> None:
    """Return when the connection is closed; after the body nothing else can arrive."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
