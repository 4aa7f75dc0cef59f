"""Health for the platform, metrics for Prometheus."""

import asyncio

from fastapi import APIRouter
from starlette.responses import Response

from service import monitoring
from service.http.documentation import HEALTH, METRICS, READY
from service.http.drain import Drain
from service.http.reply import json_response
from service.schemas import HealthAnswer


def health_routes(drain: Drain) -> APIRouter:
    """Make the routes. The app has an engine from its first request on, so it is ready unless it drains."""
    router = APIRouter(tags=["operation"])

    @router.get("/livez", **HEALTH)
    async def livez() -> Response:
        """Tell that the process answers."""
        return json_response(HealthAnswer(status="live"))

    @router.get("/healthz", **HEALTH)
    async def healthz() -> Response:
        """Tell that the process answers, under the older name."""
        return json_response(HealthAnswer(status="live"))

    @router.get("/readyz", **READY)
    async def readyz() -> Response:
        """Tell whether requests are welcome: 503 while the service drains."""
        drain.check()
        return json_response(HealthAnswer(status="ready"))

    @router.get("/metrics", **METRICS)
    async def metrics() -> Response:
        """Show the collectors in Prometheus' text format."""
        return Response(
            await asyncio.to_thread(monitoring.exposition), headers={"Content-Type": monitoring.CONTENT_TYPE}
        )

    return router
