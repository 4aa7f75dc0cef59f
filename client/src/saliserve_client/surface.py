"""What a client can do, written once for the blocking and the asynchronous client.

Every operation is a function that turns its arguments into an exchange. :class:`Operation` makes
a method of it: on :class:`~saliserve_client.Client` the method returns the result, on
:class:`~saliserve_client.AsyncClient` an awaitable of it. Arguments, types and
documentation are the function's own, for readers and type checkers alike.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from saliserve_client import defaults, operations
from saliserve_client.connection import Connection
from saliserve_client.exchange import Exchange
from saliserve_client.retry import Retry

if TYPE_CHECKING:
    from typing_extensions import Self

P = ParamSpec("P")
T = TypeVar("T")


class Blocking(Protocol):
    """Performs an exchange and returns its result."""

    def perform(self, exchange: Exchange[T]) -> T:
        """Hold the exchange to its end."""


class Awaiting(Protocol):
    """Performs an exchange when awaited."""

    async def perform(self, exchange: Exchange[T]) -> T:
        """Hold the exchange to its end."""


class Operation(Generic[P, T]):
    """A method made of the function that builds its exchange.

    Args:
        build: From the method's arguments to the exchange.
    """

    def __init__(self, build: Callable[P, Exchange[T]]) -> None:
        self._build = build
        self.__doc__ = build.__doc__
        self.__name__ = build.__name__
        signature = inspect.signature(build)
        result = str(signature.return_annotation).removeprefix("Exchange[").removesuffix("]")
        self._signature = signature.replace(return_annotation=result)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Blocking, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: Awaiting, owner: type) -> Callable[P, Awaitable[T]]: ...

    def __get__(self, instance: object, owner: type) -> Any:
        """Bind to a client; on the class itself, stay what this is."""
        if instance is None:
            return self
        perform = cast("Blocking", instance).perform

        @functools.wraps(self._build)
        def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return perform(self._build(*args, **kwargs))

        method.__signature__ = self._signature  # type: ignore[attr-defined]
        return method


HttpT = TypeVar("HttpT")
SleepT = TypeVar("SleepT")


class Surface(Generic[HttpT, SleepT]):
    """The operations and the settings of both clients.

    Args:
        url: The service's address, with a path if it stands behind one.
        api_key: Sent as ``Authorization: Bearer``; none is sent if empty.
        timeout_s: Longest silence of the service while it works.
        connect_timeout_s: Longest time to connect.
        connections: Most connections at a time.
        retry: When a request is sent again.
        verify: True checks the service's TLS certificate against the system's authorities; a path names
            a file or folder of authorities to trust instead; False checks nothing.
        certificate: ``(certificate, key)`` files to show to a service that asks for them.
        http: A ready ``httpx2`` client to send with, for instance starlette's ``TestClient``. Its own
            address, time-outs, limits and TLS hold then, and closing it is yours.
        sleep: Waits that many seconds between attempts.
    """

    def __init__(
        self,
        url: str = defaults.URL,
        *,
        api_key: str = "",
        timeout_s: float = defaults.TIMEOUT_S,
        connect_timeout_s: float = defaults.CONNECT_TIMEOUT_S,
        connections: int = defaults.CONNECTIONS,
        retry: Retry | None = None,
        verify: bool | str | Path = True,
        certificate: tuple[str | Path, str | Path] | None = None,
        http: HttpT | None = None,
        sleep: SleepT | None = None,
    ) -> None:
        self.connection = Connection(
            url=url,
            api_key=api_key,
            timeout_s=timeout_s,
            connect_timeout_s=connect_timeout_s,
            connections=connections,
            retry=Retry() if retry is None else retry,
            verify=verify,
            certificate=certificate,
        )
        self._owned = http is None
        self._http = self._open() if http is None else http
        self._sleep = sleep

    def _open(self) -> HttpT:
        raise NotImplementedError

    predict = Operation(operations.predict)
    explain = Operation(operations.explain)
    evaluate = Operation(operations.evaluate)
    models = Operation(operations.models)
    model = Operation(operations.model)
    contract = Operation(operations.contract)
    ready = Operation(operations.ready)
