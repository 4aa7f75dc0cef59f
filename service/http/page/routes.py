"""``/``, the files that it refers to, and the samples that it offers."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from service.http.negotiation import takes
from service.http.page.assets import Asset, read_page
from service.http.page.samples import MEDIA_TYPES, find_samples, label
from service.http.problems import nothing_here

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""Nothing inline, nothing from elsewhere, nothing that makes markup of text."""

SECURITY = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}

FOR_EVER = "public, max-age=31536000, immutable"
"""For addresses that hold a digest of what is there."""

ASK_AGAIN = "no-cache"
"""A copy may be kept, but not used unasked."""

FOR_AN_HOUR = "public, max-age=3600"


def page_routes(*, docs: bool) -> APIRouter:
    """Make the routes.

    Args:
        docs: Whether there is a ``/docs`` to point to.
    """
    router = APIRouter(include_in_schema=False)
    page = read_page(docs=docs)
    samples = find_samples()

    @router.get("/")
    async def index(request: Request) -> Response:
        """Show the page."""
        return _send(request, page.index, ASK_AGAIN)

    @router.get("/page/{version}/{name}")
    async def asset(request: Request, version: str, name: str) -> Response:
        """Send a file of the page."""
        if version != page.version or name not in page.assets:
            raise nothing_here()
        return _send(request, page.assets[name], FOR_EVER)

    @router.get("/samples")
    async def list_samples() -> Response:
        """List the bundled pictures."""
        names = [{"name": name, "label": label(name), "url": f"samples/{name}"} for name in samples]
        return JSONResponse({"samples": names}, headers={"Cache-Control": ASK_AGAIN})

    @router.get("/samples/{name}")
    async def sample(name: str) -> Response:
        """Send a bundled picture."""
        if name not in samples:
            raise nothing_here()
        path = samples[name]
        headers = {"Cache-Control": FOR_AN_HOUR, "X-Content-Type-Options": "nosniff"}
        return FileResponse(path, media_type=MEDIA_TYPES[path.suffix.lower()], headers=headers)

    return router


def _send(request: Request, asset: Asset, caching: str) -> Response:
    """Send a file, compressed where the browser takes that."""
    headers = {**SECURITY, "Cache-Control": caching, "Vary": "Accept-Encoding"}
    if not takes(request.headers.get("accept-encoding", ""), "gzip"):
        return Response(asset.content, media_type=asset.media_type, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(asset.compressed, media_type=asset.media_type, headers=headers)
