"""The HTTP app, put together."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from service import monitoring
from service.engine import Engine
from service.http import problems
from service.http.access import Access
from service.http.documentation import DESCRIPTION, TITLE, describe
from service.http.drain import Drain, Draining
from service.http.edge import Edge
from service.http.failsafe import Failsafe
from service.http.give_up import GiveUp
from service.http.guard import Guard
from service.http.head import Head
from service.http.limits import BodyLimit
from service.http.one_shape import OneShape
from service.http.page.routes import page_routes
from service.http.protocols.kserve_v1 import kserve_v1_routes
from service.http.protocols.open_inference import open_inference_routes
from service.http.request_id import HEADER, RequestId
from service.http.routes_docs import add_docs
from service.http.routes_evaluate import evaluate_routes
from service.http.routes_explain import explain_routes
from service.http.routes_health import health_routes
from service.http.routes_models import model_routes
from service.http.routes_predict import predict_routes
from service.http.traces import Traces
from service.http.uploads import UploadLimit
from service.keys import Keys
from service.settings import Settings

_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""FastAPI's own would tell whoever a variable names of raw paths and exceptions; ours is in service.http.traces."""


def create_app(
    engine: Engine,
    settings: Settings,
    *,
    version: str = "1",
    drain: Drain | None = None,
    traces: Traces | None = None,
    on_stop: Callable[[], None] | None = None,
) -> FastAPI:
    """Put the HTTP app together.

    Args:
        engine: Ready to answer. Whoever opened it closes it.
        settings: The operator's.
        version: Of the HTTP contract.
        drain: Takes SIGTERM from the server; without it the server ends as it likes.
        traces: Are told of every request.
        on_stop: Called when the server has answered its last request, such as the engine's ``close``.

    Raises:
        SettingsError: The API keys cannot be read.
    """
    draining, keys = drain or Drain(), Keys.of(settings)
    codecs = ThreadPoolExecutor(settings.codec_threads, thread_name_prefix="codec")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        if drain is not None:
            drain.listen()
        yield
        codecs.shutdown()
        if on_stop is not None:
            await asyncio.to_thread(on_stop)

    app = FastAPI(
        title=TITLE,
        description=DESCRIPTION,
        version=version,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if settings.docs else None,
        middleware=_middleware(settings, draining, keys, traces),
        telemetry=_NO_TELEMETRY,
        lifespan=lifespan,
        redirect_slashes=False,  # to an address made of the Host header, and to http where TLS ends before us
    )
    edge = Edge(engine, settings, codecs)
    for routes in (predict_routes, explain_routes, evaluate_routes, model_routes):
        app.include_router(routes(edge))
    app.include_router(kserve_v1_routes(edge))
    app.include_router(open_inference_routes(edge, draining, version=version))
    app.include_router(health_routes(draining))
    app.include_router(page_routes(docs=settings.docs))
    if settings.docs:
        add_docs(app)
    problems.install(app)
    describe(app, asks_for_keys=keys is not None)
    _announce(engine)
    return app


def _middleware(
    settings: Settings, drain: Drain, keys: Keys | None, traces: Traces | None
) -> list[Middleware]:
    """From the outermost inwards."""
    cross_origin = Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=("GET", "HEAD", "POST"),
        allow_headers=("Content-Type", "Authorization", "X-API-Key", HEADER, "traceparent", "tracestate"),
        expose_headers=(HEADER, "Retry-After"),
    )
    return [
        Middleware(RequestId),
        Middleware(Access, traces=traces),
        Middleware(Head),
        Middleware(OneShape),
        *([cross_origin] if settings.cors_origins else []),
        Middleware(Failsafe),
        *([Middleware(Guard, keys=keys, settings=settings)] if keys is not None else []),
        Middleware(Draining, drain=drain),
        Middleware(GiveUp, seconds=settings.max_request_ms / 1e3),
        Middleware(UploadLimit, max_bytes=settings.max_upload_bytes),
        Middleware(BodyLimit, max_bytes=settings.max_body_bytes),
    ]


def _announce(engine: Engine) -> None:
    for model in engine.models:
        monitoring.announce_model(model)
    for (name, version), error in engine.models.refused.items():
        monitoring.BUNDLE_REFUSED.labels(name, version, error.code).set(1)
