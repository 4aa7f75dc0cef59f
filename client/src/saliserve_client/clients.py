"""The two clients: how an exchange is sent and a pause is made, blocking and asynchronous."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, TypeVar, cast

import httpx2

from saliserve_client.connection import following, reply, whole
from saliserve_client.exchange import Exchange, Outcome, Pause, Step, converse
from saliserve_client.faults import fault
from saliserve_client.results import Progress
from saliserve_client.retry import Retry
from saliserve_client.surface import Surface

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")


class Client(Surface[httpx2.Client, Callable[[float], object]]):
    """Talk to a saliserve service; safe to share between threads.

    The arguments are those of :class:`~saliserve_client.surface.Surface`.

    Examples:
        >>> def is_trusted(path: str) -> bool:
        ...     with Client("http://127.0.0.1:3000", timeout_s=60) as client:
        ...         explanation = client.explain(path, method="grad_cam", receipt="full")
        ...     return explanation.receipt.verdict == "faithful"
    """

    def _open(self) -> httpx2.Client:
        return httpx2.Client(**self.connection.settings())

    def perform(self, exchange: Exchange[T], *, retry: Retry | None = None) -> T:
        """Hold one exchange to its end; *retry* takes the place of the client's own."""
        talk = converse(exchange, retry or self.connection.retry)
        outcome: Outcome = None
        while True:
            try:
                step = talk.send(outcome)
            except StopIteration as end:
                return cast("T", end.value)
            outcome = self._do(step)

    def _do(self, step: Step[T]) -> Outcome:
        if isinstance(step, Pause):
            (self._sleep or time.sleep)(step.seconds)
            return None
        try:
            request = whole(self._http.build_request(**self.connection.request(step)))
            if step.watch is not None:
                return self._follow(request, step.watch)
            return reply(self._http.send(request))
        except httpx2.RequestError as error:
            return fault(error, str(self._http.base_url))

    def _follow(self, request: httpx2.Request, watch: Callable[[Progress], object]) -> Outcome:
        with closing(self._http.send(request, stream=True)) as response:
            answer = following(response, watch)
            for chunk in response.iter_bytes():
                answer.feed(chunk)
            return answer.outcome()

    def close(self) -> None:
        """Close the connections, unless they were brought in with *http*."""
        if self._owned:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class AsyncClient(Surface[httpx2.AsyncClient, Callable[[float], Awaitable[object]]]):
    """Talk to a saliserve service from asynchronous code; every method of :class:`Client`, to be awaited.

    Examples:
        >>> async def best(path: str) -> str:
        ...     async with AsyncClient("http://127.0.0.1:3000") as client:
        ...         return (await client.predict(path)).label
    """

    def _open(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(**self.connection.settings())

    async def perform(self, exchange: Exchange[T], *, retry: Retry | None = None) -> T:
        """Hold one exchange to its end; *retry* takes the place of the client's own."""
        talk = converse(exchange, retry or self.connection.retry)
        outcome: Outcome = None
        while True:
            try:
                step = talk.send(outcome)
            except StopIteration as end:
                return cast("T", end.value)
            outcome = await self._do(step)

    async def _do(self, step: Step[T]) -> Outcome:
        if isinstance(step, Pause):
            await (self._sleep or asyncio.sleep)(step.seconds)
            return None
        try:
            request = whole(self._http.build_request(**self.connection.request(step)))
            if step.watch is not None:
                return await self._follow(request, step.watch)
            return reply(await self._http.send(request))
        except httpx2.RequestError as error:
            return fault(error, str(self._http.base_url))

    async def _follow(self, request: httpx2.Request, watch: Callable[[Progress], object]) -> Outcome:
        async with aclosing(await self._http.send(request, stream=True)) as response:
            answer = following(response, watch)
            async for chunk in response.aiter_bytes():
                answer.feed(chunk)
            return answer.outcome()

    async def aclose(self) -> None:
        """Close the connections, unless they were brought in with *http*."""
        if self._owned:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()
