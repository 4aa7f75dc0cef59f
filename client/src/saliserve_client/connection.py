"""What both clients are set up with."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from saliserve_client import defaults, events
from saliserve_client._version import __version__
from saliserve_client.errors import AuthenticationError, FileError, UnreachableError
from saliserve_client.exchange import Exchange, Reply
from saliserve_client.results import Progress
from saliserve_client.retry import Retry


@dataclass(frozen=True)
class Connection:
    """Where the service is and how to talk to it.

    The fields are documented with :class:`~saliserve_client.surface.Surface`, which takes them.
    """

    url: str
    api_key: str = field(repr=False)
    timeout_s: float
    connect_timeout_s: float
    connections: int
    retry: Retry
    verify: bool | str | Path
    certificate: tuple[str | Path, str | Path] | None

    def __post_init__(self) -> None:
        """Refuse a key that no header can carry; the HTTP library would blame the connection.

        Raises:
            AuthenticationError: Such as for a line end at its end.
        """
        if not (self.api_key.isascii() and self.api_key.isprintable()):
            raise AuthenticationError(
                "the API key holds characters that no header can carry, such as a line end"
            )

    def settings(self) -> dict[str, Any]:
        """Make the arguments of an ``httpx2`` client.

        Raises:
            UnreachableError: The address is none.
            FileError: A TLS file is missing or is not one.
        """
        return {
            "base_url": checked(self.url),
            # Reading and writing share the limit; waiting for a free connection has none: it
            # ends when the requests before it do.
            "timeout": httpx2.Timeout(self.timeout_s, connect=self.connect_timeout_s, pool=None),
            "limits": httpx2.Limits(
                max_connections=self.connections, max_keepalive_connections=self.connections
            ),
            "verify": self._tls(),
        }

    def request(self, exchange: Exchange[Any]) -> dict[str, Any]:
        """Make the arguments of an ``httpx2`` client's ``build_request``."""
        accept = "application/json" if exchange.watch is None else events.ACCEPT
        headers = {"accept": accept, "user-agent": f"saliserve-client/{__version__}"}
        if self.api_key:
            headers["authorization"] = f"Bearer {self.api_key}"
        arguments: dict[str, Any] = {"method": exchange.method, "url": exchange.path, "headers": headers}
        if exchange.files:
            arguments["files"] = exchange.parts()
        return arguments

    def _tls(self) -> ssl.SSLContext | bool:
        if isinstance(self.verify, bool) and self.certificate is None:
            return self.verify if checked(self.url).scheme == "https" else _trusting_nobody()
        try:
            return self._context()
        except (OSError, ssl.SSLError) as error:
            brought = [] if isinstance(self.verify, bool) else [self.verify]
            named = ", ".join(str(path) for path in (*brought, *(self.certificate or ())))
            raise FileError(f"TLS files cannot be used: {named}: {error}") from error

    def _context(self) -> ssl.SSLContext:
        if isinstance(self.verify, bool):
            context = httpx2.create_ssl_context(verify=self.verify)
        else:
            path = Path(self.verify)
            context = ssl.create_default_context(
                cafile=None if path.is_dir() else str(path), capath=str(path) if path.is_dir() else None
            )
        if self.certificate is not None:
            context.load_cert_chain(*self.certificate)
        return context


def _trusting_nobody() -> ssl.SSLContext:
    """Make what an ``http`` address never uses; reading the system's authorities for it takes 50 ms."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def checked(url: str) -> httpx2.URL:
    """Parse an address.

    Raises:
        UnreachableError: Without ``http://`` or ``https://``, or without a host.

    Examples:
        >>> checked("localhost:3000")
        Traceback (most recent call last):
        saliserve_client.errors.UnreachableError: 'localhost:3000' is no address of a service; expected such as http://127.0.0.1:3000
    """
    try:
        parsed = httpx2.URL(url)
        valid = parsed.scheme in {"http", "https"} and bool(parsed.host)
    except httpx2.InvalidURL:
        valid = False
    if not valid:
        raise UnreachableError(f"{url!r} is no address of a service; expected such as {defaults.URL}")
    return parsed


def whole(request: httpx2.Request) -> httpx2.Request:
    """Put the body into one piece.

    A multipart body is otherwise sent part by part, headers apart: ten system calls in place of
    one, a sixth of the CPU time that a request takes here.
    """
    request.read()
    return request


def reply(response: httpx2.Response) -> Reply:
    """Take what is needed from a response that was read to its end."""
    return Reply(response.status_code, _headers(response), response.content)


def following(response: httpx2.Response, watch: Callable[[Progress], object]) -> events.Following:
    """Make ready to read a response while it comes."""
    return events.Following(response.status_code, _headers(response), watch, str(response.request.url))


def _headers(response: httpx2.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}
