"""The limit on all request bodies together: each may be allowed, and many at once still more than the memory there is."""

import time
from dataclasses import dataclass
from typing import NoReturn

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import monitoring
from service.errors import OverloadedError
from service.http.limits import declared_bytes


@dataclass(slots=True, eq=False)
class Upload:
    """A body that is arriving or is kept until its request is answered.

    Args:
        begun_s: When its first byte came, by :func:`time.monotonic`.
        held_bytes: What has come of it.
    """

    begun_s: float
    held_bytes: int = 0


class UploadLimit:
    """Middleware: the bodies of all requests under way hold no more than so many bytes together.

    Bytes count from their arrival, not from their announcement: who announces much and sends nothing would keep
    everybody else out for free. What is announced and cannot fit now is refused before it is read all the same.

    Args:
        app: What is guarded.
        max_bytes: Of all bodies together.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self.app = app
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._uploads: set[Upload] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = declared_bytes(scope)
        upload = Upload(time.monotonic())

        async def receive_counted() -> Message:
            if upload not in self._uploads and self._held_bytes + announced > self._max_bytes:
                self._refuse(announced)
            message = await receive()
            if arrived := len(message.get("body", b"")):
                self._take(upload, arrived, announced)
            return message

        try:
            await self.app(scope, receive_counted, send)
        finally:
            self._release(upload)

    def _take(self, upload: Upload, arrived: int, announced: int) -> None:
        if self._held_bytes + arrived > self._max_bytes:
            wanted = max(announced, upload.held_bytes + arrived)
            self._release(upload)
            self._refuse(wanted)
        self._uploads.add(upload)
        upload.held_bytes += arrived
        self._held_bytes += arrived
        monitoring.UPLOAD_BYTES.inc(arrived)

    def _release(self, upload: Upload) -> None:
        if upload in self._uploads:
            self._uploads.remove(upload)
            self._held_bytes -= upload.held_bytes
            monitoring.UPLOAD_BYTES.dec(upload.held_bytes)

    def _refuse(self, wanted: int) -> NoReturn:
        monitoring.REFUSED_UPLOADS.inc()
        raise OverloadedError(
            f"The uploads of {len(self._uploads)} requests under way hold {self._held_bytes:,} bytes, and all together "
            f"may hold {self._max_bytes:,}; this one, of {wanted:,}, does not fit. Send it again when some are "
            "answered, or send a smaller picture.",
            retry_after_s=self._until_room_s(wanted),
            where="body",
        )

    def _until_room_s(self, wanted: int) -> float:
        """Reckon when enough is released: in a steady state what is held will stay for as long as it has stayed.

        Age and remaining life have one distribution there (the recurrence times of Cox, "Renewal Theory", 1962), so
        bytes are released at the rate of those held over their mean age.
        """
        now_s = time.monotonic()
        byte_seconds = sum(upload.held_bytes * (now_s - upload.begun_s) for upload in self._uploads)
        lacking = wanted - (self._max_bytes - self._held_bytes)
        return lacking * byte_seconds / max(1, self._held_bytes) ** 2
