"""A door between client and service that lets so many pictures through and holds the rest, until it is opened.

However slow the machine, a test that looks at a run finds it under way.
"""

import http.server
import threading
from typing import Any, Self

import httpx2

from tests.server import LONGEST_S


class Turnstile(http.server.ThreadingHTTPServer):
    """Relays to a service. What is asked for without a picture always passes.

    Args:
        service: Its address.
        pictures: How many pass before the door is opened.
    """

    daemon_threads = True

    def __init__(self, service: str, *, pictures: int) -> None:
        super().__init__(("127.0.0.1", 0), _Relay)
        self.service = service
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._left = threading.Semaphore(pictures)
        self._thread = threading.Thread(target=self.serve_forever)

    def pass_through(self) -> None:
        """Wait for a picture's turn."""
        self._left.acquire()

    def open(self) -> None:
        """Let everything through from now on."""
        self._left.release(1_000_000)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.open()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, *_: Any) -> None:
        """Say nothing: whoever was killed takes no answer."""


class _Relay(http.server.BaseHTTPRequestHandler):
    server: Turnstile
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one piece, or the second waits for the first one's acknowledgement

    def do_GET(self) -> None:
        self._relay(b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.pass_through()
        self._relay(body)

    def _relay(self, body: bytes) -> None:
        kept = {name: self.headers[name] for name in ("accept", "content-type") if name in self.headers}
        answer = httpx2.request(
            self.command, self.server.service + self.path, content=body, headers=kept, timeout=LONGEST_S
        )
        self.send_response(answer.status_code)
        for name in ("content-type", "retry-after"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.send_header("content-length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        pass
