"""One call as data: what is sent and how its answer is read. No network here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from saliserve_client.errors import SaliserveError, UnexpectedAnswerError
from saliserve_client.problems import excerpt, problem
from saliserve_client.reading import Fields
from saliserve_client.results import Progress
from saliserve_client.retry import Retry

T = TypeVar("T")

OK = frozenset({200})


@dataclass(frozen=True)
class Part:
    """A file part of a multipart body: its file name, media type and bytes."""

    filename: str
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Reply:
    """An HTTP answer, read to its end. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def fields(self) -> Fields:
        """Read the body as a JSON object.

        Raises:
            UnexpectedAnswerError: It is none.
        """
        try:
            values = json.loads(self.body)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise UnexpectedAnswerError(
                f"HTTP {self.status} with {excerpt(self.body)} where a JSON object is expected. "
                "Is this the address of a saliserve service?",
                status=self.status,
            )
        return Fields(values)


@dataclass(frozen=True)
class Exchange(Generic[T]):
    """A request and the reading of its answer.

    Args:
        method: HTTP method.
        path: Below the service's address, such as ``v1/predict``.
        read: Turns the answer into the result.
        files: File parts by field name; with any, the body is multipart.
        options: Sent as the JSON part ``options`` beside the files.
        answers: Statuses that are answers; every other one is a failure.
        watch: Told how far the service has come, while it is at work; without it the answer comes in one piece.
    """

    method: str
    path: str
    read: Callable[[Reply], T]
    files: Mapping[str, Part] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    answers: frozenset[int] = OK
    watch: Callable[[Progress], object] | None = None

    def parts(self) -> dict[str, tuple[str | None, bytes, str]]:
        """Make the parts of the multipart body as ``httpx2`` takes them."""
        parts: dict[str, tuple[str | None, bytes, str]] = {
            name: (part.filename, part.data, part.media_type) for name, part in self.files.items()
        }
        if self.options:
            # Without a file name a part is a form field.
            parts["options"] = (None, json.dumps(self.options).encode(), "application/json")
        return parts


@dataclass(frozen=True)
class Pause:
    """A wait before the next attempt."""

    seconds: float


Step = Exchange[T] | Pause
Outcome = Reply | SaliserveError | None
Conversation = Generator[Step[T], Outcome, T]


def converse(
    exchange: Exchange[T], retry: Retry, *, now_s: Callable[[], float] = time.time
) -> Conversation[T]:
    """Hold one call to its end, retries included.

    Yields what is to be done next: send the exchange, or pause. Is sent what came of it: the
    reply, the failure to get one, or None after a pause. The two clients differ in nothing but
    how they do these two things.

    Raises:
        SaliserveError: The last attempt failed; the error says with what.
    """
    sent = 0
    while True:
        outcome = yield exchange
        sent += 1
        if isinstance(outcome, Reply) and outcome.status in exchange.answers:
            return exchange.read(outcome)
        error = _failure(outcome, now_s())
        pause_s = retry.pause_s(error, sent)
        if pause_s is None:
            raise error
        yield Pause(pause_s)


def _failure(outcome: Outcome, now_s: float) -> SaliserveError:
    if isinstance(outcome, SaliserveError):
        return outcome
    if outcome is None:
        raise TypeError("a conversation that has yielded an exchange is sent a reply or an error")
    return problem(outcome.status, outcome.headers, outcome.body, now_s=now_s)
