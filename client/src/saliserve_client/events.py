"""An answer that comes as a stream of events: progress, and in the end the result or the problem."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from saliserve_client.errors import ConnectionLostError, UnexpectedAnswerError
from saliserve_client.exchange import Reply
from saliserve_client.reading import Fields
from saliserve_client.results import Progress

MEDIA_TYPE = "text/event-stream"

ACCEPT = f"{MEDIA_TYPE}, application/json;q=0.5"
"""A service that knows no events answers as ever, and there is no progress."""


@dataclass
class Parser:
    r"""Takes events out of the bytes of a stream, however they are cut (HTML Living Standard, section 9.2.6).

    By bytes, because Python would also end lines at characters that are ordinary ones in JSON.

    Examples:
        >>> parser = Parser()
        >>> list(parser.feed(b": comment\n\nevent: progress\nda")), list(parser.feed(b"ta: 7\n\n"))
        ([], [('progress', b'7')])
    """

    _rest: bytearray = field(default_factory=bytearray)
    _name: str = ""
    _data: list[bytes] = field(default_factory=list)

    def feed(self, chunk: bytes) -> Iterator[tuple[str, bytes]]:
        """Take a piece of the stream; give the events that end in it."""
        searched = len(self._rest)
        self._rest += chunk
        begin = 0
        while (end := self._rest.find(b"\n", max(begin, searched))) >= 0:
            line = bytes(self._rest[begin:end]).rstrip(b"\r")
            begin = end + 1
            if line:
                self._read(line)
            elif self._data:
                yield self._name, b"\n".join(self._data)
                self._name, self._data = "", []
        del self._rest[:begin]

    def _read(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._name = value.removeprefix(b" ").decode("utf-8", "replace")


class Following:
    """Reads an answer while it comes.

    Args:
        status: Of the answer.
        headers: Of the answer, lower case.
        watch: Told of progress.
        address: Of the service, for messages.
    """

    def __init__(
        self, status: int, headers: Mapping[str, str], watch: Callable[[Progress], object], address: str
    ) -> None:
        self._plain = Reply(status, headers, b"")
        self._watch = watch
        self._address = address
        self._is_stream = headers.get("content-type", "").startswith(MEDIA_TYPE)
        self._parser = Parser()
        self._body = bytearray()
        self._last: Reply | None = None

    def feed(self, chunk: bytes) -> None:
        """Take a piece of the body."""
        if not self._is_stream:
            self._body += chunk
            return
        for name, data in self._parser.feed(chunk):
            if name == "progress":
                self._watch(_progress(data))
            elif name == "result":
                self._last = Reply(self._plain.status, self._plain.headers, data)
            elif name == "problem":
                self._last = _problem(data)

    def outcome(self) -> Reply | ConnectionLostError:
        """Give the answer as it would have come without events, or say that the stream ended without one."""
        if not self._is_stream:
            return Reply(self._plain.status, self._plain.headers, bytes(self._body))
        return self._last or ConnectionLostError(
            f"the connection to {self._address} ended with the work, before its result had come"
        )


def _progress(data: bytes) -> Progress:
    told = _fields(data)
    return Progress(
        stage=told.text("stage"),
        forwards_done=told.count("forwards_done"),
        forwards_planned=told.count("forwards_planned"),
        remaining_ms=told.optional_number("remaining_ms"),
    )


def _problem(data: bytes) -> Reply:
    """Give a problem its status and header back, which had no place in the stream."""
    told = _fields(data)
    after_s = told.optional_number("retry_after_s")
    return Reply(told.count("status"), {} if after_s is None else {"retry-after": str(after_s)}, data)


def _fields(data: bytes) -> Fields:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise UnexpectedAnswerError("an event of the stream holds no JSON object")
    return Fields(values)
