"""API keys at the door: what needs one is refused without, and who has used up its share, before the body is read."""

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.allowance import Allowance
from service.errors import AuthenticationError, RateLimitedError
from service.http.observation import observation_of
from service.http.problems import refusal
from service.keys import Keys
from service.settings import Settings

_ALWAYS_OPEN = frozenset({"/livez", "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"})
_METRICS = frozenset({"/metrics"})
_DOCS = frozenset({"/docs", "/docs/receipt.schema.json", "/openapi.json", "/", "/samples"})
_DOCS_FOLDERS = ("/docs/assets/", "/page/", "/samples/")

_MISSING = (
    "This service asks for an API key and none was sent. Send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`; "
    "the service's operator hands them out."
)
_UNKNOWN = "The API key that was sent is none of this service's. Ask its operator for one."


class Guard:
    """Middleware: asks for a key on every path but those that are open; what is not there is not open.

    Args:
        app: What is guarded.
        keys: Those that are accepted.
        settings: Say what is open besides health.
    """

    def __init__(self, app: ASGIApp, *, keys: Keys, settings: Settings) -> None:
        self.app = app
        self._keys = keys
        self._open = (
            _ALWAYS_OPEN
            | (frozenset() if settings.guard_metrics else _METRICS)
            | (frozenset() if settings.guard_docs else _DOCS)
        )
        self._allowance = _allowance(settings)
        self._open_folders = () if settings.guard_docs else _DOCS_FOLDERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or self._is_open(scope["path"]):
            await self.app(scope, receive, send)
            return
        try:
            name = self._owner(Headers(scope=scope))
            if self._allowance is not None:
                self._allowance.enter(name)
        except (AuthenticationError, RateLimitedError) as error:
            await refusal(Request(scope), error)(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        finally:
            if self._allowance is not None:
                self._allowance.spend(name, observation_of(Request(scope)).spent)

    def _is_open(self, path: str) -> bool:
        return path in self._open or path.startswith(self._open_folders)

    def _owner(self, headers: Headers) -> str:
        offered = _offered(headers)
        if offered is None:
            raise AuthenticationError(_MISSING)
        owner = self._keys.owner_of(offered)
        if owner is None:
            raise AuthenticationError(_UNKNOWN)
        return owner


def _allowance(settings: Settings) -> Allowance | None:
    if not settings.key_forwards_per_s:
        return None
    return Allowance(forwards_per_s=settings.key_forwards_per_s, burst_forwards=settings.key_burst_forwards)


def _offered(headers: Headers) -> bytes | None:
    """Find the key. One in the query or the body is not looked for: addresses end up in logs."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip().encode("latin-1")
    key = headers.get("x-api-key")
    return key.encode("latin-1") if key else None
