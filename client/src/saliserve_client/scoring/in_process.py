"""The service's own engine in this process, in place of a service. The only file that needs the service's code.

Requests take the whole way through its HTTP app, only without a network: what comes back is what a service would
answer, byte for byte but for clock and name.
"""

from __future__ import annotations

from pathlib import Path

import httpx2

from saliserve_client.clients import AsyncClient
from saliserve_client.errors import FileError, MissingPackageError, RunError
from saliserve_client.retry import Retry


def engine_client(models: Path, *, threads: int) -> AsyncClient:
    """Load bundles and make a client that asks them.

    Args:
        models: Folder of bundles, ``<name>/<version>/``.
        threads: ONNX Runtime's, per operator on the CPU.

    Raises:
        MissingPackageError: The service's code cannot be imported here.
        FileError: There is no such folder.
        RunError: The bundles, or the service's settings in the environment, cannot be used.
    """
    if not models.is_dir():
        raise FileError(f"{models}: no such folder; expected bundles in it, NAME/VERSION/")
    try:
        from service.engine import Engine  # noqa: PLC0415 - optional, like the rest of the service
        from service.errors import SaliserveError  # noqa: PLC0415
        from service.http.application import create_app  # noqa: PLC0415
        from service.runtime.device import choose_device  # noqa: PLC0415
        from service.runtime.store import ModelStore  # noqa: PLC0415
        from service.settings import Settings  # noqa: PLC0415
    except ImportError as error:
        raise MissingPackageError(
            f"the service's own code is needed to load bundles here, and cannot be imported: {error}. Run from a "
            "checkout of saliserve, in an environment with its `serve` group, or score by --url instead."
        ) from error
    try:
        settings = Settings(models=models, threads=threads)
        device = choose_device(settings.provider, allow_fallback=settings.provider_fallback, threads=threads)
        loaded = ModelStore(models, device, default=settings.default_model_name)
    except SaliserveError as error:
        raise RunError(f"{models}: {error}") from error
    app = create_app(Engine(loaded, default_deadline_ms=settings.default_deadline_ms), settings)
    http = httpx2.AsyncClient(base_url="http://in-process", transport=httpx2.ASGITransport(app))
    return AsyncClient(http=http, retry=Retry(attempts=1))
