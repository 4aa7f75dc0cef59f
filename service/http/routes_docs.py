"""``/docs``: Swagger UI from files that lie beside the service, so that no browser is sent elsewhere."""

import base64
import hashlib
import re
from pathlib import Path

import fastapi_standalone_docs
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.staticfiles import StaticFiles

from service.receipt_schema import receipt_schema

ASSETS = Path(fastapi_standalone_docs.__file__).parent / "static" / "swagger"

_NO_ICON = "data:,"


def add_docs(app: FastAPI) -> None:
    """Add ``/docs`` and its files."""
    app.mount("/docs/assets", StaticFiles(directory=ASSETS), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        """Show the routes, to be tried out."""
        root = request.scope.get("root_path", "").rstrip("/")
        page = get_swagger_ui_html(
            openapi_url=f"{root}/openapi.json",
            title=app.title,
            swagger_js_url=f"{root}/docs/assets/swagger-ui-bundle.js",
            swagger_css_url=f"{root}/docs/assets/swagger-ui.css",
            swagger_favicon_url=_NO_ICON,
            swagger_ui_parameters={"validatorUrl": None},  # else it asks a service elsewhere
        )
        html = bytes(page.body).decode()
        return HTMLResponse(html, headers=_security_headers(html))

    @app.get("/docs/receipt.schema.json", include_in_schema=False)
    async def schema() -> JSONResponse:
        """Publish the shape of a receipt, for those who check what they store."""
        return JSONResponse(receipt_schema(), media_type="application/schema+json")


def _security_headers(html: str) -> dict[str, str]:
    """Allow the page its own files, its one inline script by its hash, and nothing else."""
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    policy = (
        f"default-src 'none'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
