"""The end of a worker: what was accepted is answered, what comes later is sent elsewhere."""

import asyncio
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import DrainingError
from service.http.problems import refusal

log = logging.getLogger(__name__)

OPERATION = frozenset({"/livez", "/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})
"""Answered to the last: whoever watches wants to see the end."""


class Drain:
    """Stands between SIGTERM and the server, which would close its port at once.

    From the signal on ``/readyz`` fails and new requests are refused. The server gets the signal when
    requests under way are answered and load balancers have had time to notice. A second signal passes
    straight through.

    Args:
        at_least_s: Seconds that load balancers need.
    """

    def __init__(self, *, at_least_s: float = 0.0) -> None:
        self.is_draining = False
        self._at_least_s = at_least_s
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._ending: asyncio.Task[None] | None = None
        self._before: object = signal.SIG_DFL

    def listen(self) -> None:
        """Take SIGTERM before the server does. For the main thread, within its running event loop."""
        self._before = signal.getsignal(signal.SIGTERM)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._on_signal)

    def check(self) -> None:
        """Refuse if the end has begun.

        Raises:
            DrainingError: As stated.
        """
        if self.is_draining:
            self._refuse()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request that was accepted, until it is answered."""
        self._under_way += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def run(self) -> None:
        """Refuse what is new from now on, and return when there is nothing left to wait for."""
        self.is_draining = True
        log.info("draining", extra={"requests_in_progress": self._under_way})
        await asyncio.sleep(self._at_least_s)
        await self._idle.wait()

    def _refuse(self) -> NoReturn:
        raise DrainingError(
            "The service is shutting down and takes no new work. Send the request again; another instance, or the "
            "next one here, will take it.",
            retry_after_s=1.0,
        )

    def _on_signal(self) -> None:
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self.run())
            self._ending.add_done_callback(lambda _: self._pass_on())
        else:
            self._ending.cancel()

    def _pass_on(self) -> None:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, self._before)  # type: ignore[arg-type]  # what getsignal() gave
        signal.raise_signal(signal.SIGTERM)


class Draining:
    """Middleware: refuses new requests once the end has begun.

    Args:
        app: What is guarded.
        drain: Knows whether it has.
    """

    def __init__(self, app: ASGIApp, *, drain: Drain) -> None:
        self.app = app
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["path"] in OPERATION:
            await self.app(scope, receive, send)
            return
        try:
            self._drain.check()
        except DrainingError as error:
            answer = refusal(Request(scope), error)
            answer.headers["Connection"] = "close"  # the next one comes by a new one, to another instance
            await answer(scope, receive, send)
            return
        with self._drain.request():
            await self.app(scope, receive, send)
