"""The BentoML service: supervision around the HTTP app. The only file that imports bentoml.

BentoML keeps a worker process alive, restarts it, and packs the whole as a bento. It answers no request
of its own: its routes are taken out, and what its middlewares answer is brought into our one shape.
One worker, because one process owns the device.
"""

import logging
import os
import sys
from collections.abc import Callable

# Only the word True is understood. Read when a server starts, so before anybody can ask.
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
# Workers inherit it; see service.__main__, which sets it first where it is used.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import bentoml
from starlette.applications import Starlette
from starlette.types import ASGIApp

from service import monitoring
from service.bundle.load import find_bundles, load_bundle
from service.engine import Engine
from service.errors import BundleError, ProviderError, SettingsError
from service.http.access import Access
from service.http.application import create_app
from service.http.drain import Drain
from service.http.one_shape import OneShape
from service.http.request_id import RequestId
from service.http.traces import Traces, check_traces, open_traces
from service.keys import Keys
from service.logs import configure_logs
from service.orphan import SUPERVISOR, end_with_parent
from service.reload import Reloader
from service.runtime.check import check_cuda
from service.runtime.device import choose_device
from service.runtime.store import ModelStore, choose_default
from service.settings import Settings
from service.watching import DeviceWatch

log = logging.getLogger(__name__)

_OWN_ROUTES = frozenset(
    {"livez", "healthz", "readyz", "schema", "openapi-spec", "index", "static_content", "assets"}
)
"""Routes of BentoML that ours replace, or that nobody needs; its index page loads a tracker."""


class GuardedService(bentoml.Service["Saliserve"]):
    """Builds the HTTP app in the worker, where the engine is, and puts our shape around BentoML's answers."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:  # noqa: FBT001, FBT002 - BentoML's signature
        """Load and warm the models, then build what the worker serves. The port answers only after that."""
        settings = Settings.from_environment()
        configure_logs(settings.log_level)
        monitoring.forget_dead_workers()
        end_with_parent()
        engine = open_engine(settings)
        drain = Drain(at_least_s=settings.drain_ms / 1e3)
        traces = open_traces(settings)
        on_stop = _ending(_follow_bundles(engine, settings), traces)
        http = create_app(engine, settings, drain=drain, traces=traces, on_stop=on_stop)
        self.mount_asgi_app(http, path="/")
        app = super().to_asgi(is_main)
        if isinstance(app, Starlette):
            # Tracing, a timer that never lets go of a request, a context that only its own routes use.
            app.user_middleware.clear()
            app.router.redirect_slashes = False  # as ours does not: see service.http.application
            app.router.routes[:] = [
                route for route in app.router.routes if getattr(route, "name", "") not in _OWN_ROUTES
            ]
        log.info("ready", extra={"models": [model.manifest.name for model in engine.models]})
        return RequestId(Access(OneShape(app), traces))


def open_engine(settings: Settings) -> Engine:
    """Verify, compile and warm every model.

    Raises:
        BundleError: There is no model that can be used and may answer where none is named.
        ProviderError: The provider that the settings demand is not there.
    """
    device = choose_device(
        settings.provider, allow_fallback=settings.provider_fallback, threads=settings.threads
    )
    models = ModelStore(
        settings.models,
        device,
        default=settings.default_model_name,
        max_memory_bytes=settings.max_memory_bytes,
    )
    return Engine(
        models,
        queue_forwards=settings.queue_forwards,
        default_deadline_ms=settings.default_deadline_ms,
        watch=DeviceWatch(),
    )


def _follow_bundles(engine: Engine, settings: Settings) -> Callable[[], None]:
    """Start to follow the folder of bundles, if that is wanted; return what ends that and the engine."""
    if not settings.reload_ms:
        return engine.close
    reloader = Reloader(engine, interval_s=settings.reload_ms / 1e3)
    reloader.start()

    def stop() -> None:
        reloader.close()
        engine.close()

    return stop


def _ending(stop: Callable[[], None], traces: Traces | None) -> Callable[[], None]:
    """Return what also sends the traces of the last requests."""
    if traces is None:
        return stop

    def end() -> None:
        stop()
        traces.close()

    return end


@bentoml.service(
    name="saliserve",
    service_class=GuardedService,
    workers=1,
    metrics={"enabled": False},  # its endpoint label is the raw path; ours are in service.monitoring
)
class Saliserve:
    """Serves the HTTP app; everything happens in ``service.http``."""

    @bentoml.on_deployment
    def check() -> None:
        """Stop the start in the parent: there whatever is wrong ends it, a worker would be restarted for ever."""
        try:
            settings = Settings.from_environment()
            Keys.of(settings)
            check_traces(settings)
            bundles = find_bundles(settings.models)
            default = choose_default(settings.models, bundles, settings.default_model_name)
            for folder in bundles:
                load_bundle(folder)
            if settings.provider == "cuda" and not settings.provider_fallback:
                check_cuda()
        except (SettingsError, BundleError, ProviderError) as error:
            sys.exit(f"saliserve: {error.detail}")
        # A worker that starts later, when there are more models, must not have another one.
        os.environ["SALISERVE_DEFAULT_MODEL"] = default
        os.environ[SUPERVISOR] = str(os.getpid())
