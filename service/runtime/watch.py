"""What the scheduler tells whoever watches it."""

from enum import StrEnum
from typing import Protocol

from service.runtime.plan import MicroBatch


class Deadline(StrEnum):
    """What became of a request whose deadline came first."""

    REFUSED = "refused"
    """At once: the estimate said that it could not be met."""

    FAILED = "failed"
    """There was nothing to answer with."""

    ANSWERED = "answered"
    """With what there was."""


class Watch(Protocol):
    """Is told of everything, by any thread, and must return at once."""

    def queued(self, forwards: float) -> None:
        """Forward passes that are accepted and not yet run."""

    def waited(self, kind: str, seconds: float) -> None:
        """A request of that kind was begun so long after it was accepted."""

    def ran(self, model: str, batch: MicroBatch) -> None:
        """A micro-batch was answered."""

    def preempted(self, kind: str) -> None:
        """A request of that kind was set aside, unfinished, for one of a kind that goes first."""

    def reached(self, kind: str, outcome: Deadline) -> None:
        """A request's deadline came before its end."""

    def cancelled(self, kind: str, forwards: float) -> None:
        """A request's caller went away when so many passes had been spent on it."""


class Unwatched:
    """Nobody watches."""

    def queued(self, forwards: float) -> None:
        """Do nothing."""

    def waited(self, kind: str, seconds: float) -> None:
        """Do nothing."""

    def ran(self, model: str, batch: MicroBatch) -> None:
        """Do nothing."""

    def preempted(self, kind: str) -> None:
        """Do nothing."""

    def reached(self, kind: str, outcome: Deadline) -> None:
        """Do nothing."""

    def cancelled(self, kind: str, forwards: float) -> None:
        """Do nothing."""
