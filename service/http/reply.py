"""Successful answers as bytes."""

import gzip

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from service.http.negotiation import takes

JSON = "application/json"
PNG = "image/png"
JPEG = "image/jpeg"
EVENTS = "text/event-stream"


def json_response(body: BaseModel) -> Response:
    """Write a body once, by pydantic's own serialiser; FastAPI would validate and copy it first."""
    return Response(body.model_dump_json(), media_type=JSON)


def compressible_json_response(request: Request, body: BaseModel) -> Response:
    """Write a body that is mostly words, compressed where the client takes that.

    Explanations are not sent this way: their maps hardly shrink, and compressing them would delay the answer.
    """
    headers = {"Vary": "Accept-Encoding"}
    content = body.model_dump_json().encode()
    if takes(request.headers.get("accept-encoding", ""), "gzip"):
        content = gzip.compress(content, compresslevel=6, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(content, media_type=JSON, headers=headers)


def picture_response(data: bytes, media_type: str) -> Response:
    """Send a picture file."""
    return Response(data, media_type=media_type)
