"""A collector of OpenTelemetry traces: what arrives by OTLP over HTTP is decoded by OpenTelemetry's own schema."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """Keeps the spans that it is sent."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.services: set[str] = set()
        self._spans: list[Span] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """Where to send traces."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1/traces"

    def close(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def all_spans(self, request_id: str) -> list[Span]:
        """Those of a request, once its own has arrived, which is the last to be sent; before that none."""
        with self._lock:
            spans = list(self._spans)
        for span in spans:
            if attributes(span).get("saliserve.request_id") == request_id:
                return [one for one in spans if one.trace_id == span.trace_id]
        return []

    def spans(self, request_id: str) -> dict[str, Span]:
        """The same by name; where several have one, the last."""
        return {span.name: span for span in self.all_spans(request_id)}

    def _take(self, path: str, body: bytes) -> None:
        sent = ExportTraceServiceRequest.FromString(body)
        with self._lock:
            self.paths.add(path)
            for resource in sent.resource_spans:
                self.services |= {
                    pair.value.string_value
                    for pair in resource.resource.attributes
                    if pair.key == "service.name"
                }
                for scope in resource.scope_spans:
                    self._spans += scope.spans

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                is_packed = self.headers.get("Content-Encoding") == "gzip"
                take(self.path, gzip.decompress(body) if is_packed else body)
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        return Handler


def attributes(span: Span) -> dict[str, Any]:
    """Read a span's attributes."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector."""
    collector = Collector()
    try:
        yield collector
    finally:
        collector.close()
