"""One log line and one set of counts per request; nothing of the picture, the query or the keys."""

import logging
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import monitoring
from service.http.observation import Observation, observation_in
from service.http.problems import CLIENT_GONE
from service.http.traces import Traced, Traces

log = logging.getLogger(__name__)

_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})
_QUIET = frozenset({"/livez", "/readyz", "/healthz", "/metrics", "/v2/health/live", "/v2/health/ready"})
"""Asked every few seconds by machines: logged only at DEBUG."""


class Access:
    """Middleware: observes every request, however it ends.

    Where it stands twice, around BentoML and inside, the outer one observes.

    Args:
        app: What is observed.
        traces: Are told of every request; None for no traces.
    """

    def __init__(self, app: ASGIApp, traces: Traces | None = None) -> None:
        self.app = app
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        observation = observation_in(scope)
        if scope["type"] != "http" or observation is None or observation.is_recorded:
            await self.app(scope, receive, send)
            return
        observation.is_recorded = True
        traced = self._begin_trace(scope, observation)
        begin = time.perf_counter()
        status = CLIENT_GONE  # unless an answer is begun
        answer_bytes = 0

        async def send_observed(message: Message) -> None:
            nonlocal status, answer_bytes
            if message["type"] == "http.response.start":
                status = message["status"]
            answer_bytes += len(message.get("body", b""))
            await send(message)

        with monitoring.IN_PROGRESS.track_inprogress():
            try:
                await self.app(scope, receive, send_observed)
            finally:
                seconds = time.perf_counter() - begin
                status = observation.status or status
                _record(scope, observation, status, seconds=seconds, answer_bytes=answer_bytes)
                if traced is not None:
                    traced.end(method=_method(scope), route=_template(scope), status=status)

    def _begin_trace(self, scope: Scope, observation: Observation) -> Traced | None:
        if self._traces is None or scope["path"] in _QUIET:
            return None
        return self._traces.begin(Headers(scope=scope), observation)


def _record(
    scope: Scope, observation: Observation, status: int, *, seconds: float, answer_bytes: int
) -> None:
    method, route = _method(scope), _template(scope)
    monitoring.observe_request(
        method=method,
        route=route,
        model=observation.model,
        status=status,
        code=observation.code,
        seconds=seconds,
    )
    log.log(
        logging.DEBUG if route in _QUIET else logging.INFO,
        "request",
        extra={
            **observation.names,
            "http_method": method,
            "route": route,
            "status": status,
            "duration_ms": round(1e3 * seconds, 2),
            "answer_bytes": answer_bytes,
            "model": observation.model,
            "method": observation.method,
            "verdict": observation.verdict,
            "code": observation.code,
        },
    )


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _template(scope: Scope) -> str:
    """The route as it is declared: a raw path would make a new time series of every typing error."""
    path = getattr(scope.get("route"), "path", None)
    # Empty is BentoML's mount, where FastAPI's own routes, such as /openapi.json, leave no name.
    return path if isinstance(path, str) and path else "unmatched"
