"""What is known about one request, for its log line, its metrics and its error."""

from collections.abc import MutableMapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from service.runtime.journey import Journey, Stage, noted

_KEY = "observation"


@dataclass(slots=True)
class Observation:
    """Filled in while a request is answered; holds nothing of the picture.

    Args:
        request_id: Of the request, the caller's or our own.
        model: The model that answers; empty until it is known to exist.
        method: The explanation method; empty where there is none.
        verdict: Of the receipt.
        code: Of the problem, if the answer is one.
        forwards: Forward passes spent on the answer.
        status: Of a failure that came after the header of a success had gone out; 0 without.
        is_recorded: Whether a log line and metrics are already taken care of.
        trace_id: Of the trace that the request is part of; empty where none is made.
        stages: What was done outside the engine.
        journeys: What became of each of its pictures within.
    """

    request_id: str
    model: str = ""
    method: str = ""
    verdict: str = ""
    code: str = ""
    forwards: float = 0.0
    status: int = 0
    is_recorded: bool = False
    trace_id: str = ""
    stages: list[Stage] = field(default_factory=list)
    journeys: list[Journey] = field(default_factory=list)

    @property
    def names(self) -> dict[str, str]:
        """What joins a log line to the request."""
        names = {"request_id": self.request_id}
        return names | {"trace_id": self.trace_id} if self.trace_id else names

    @property
    def spent(self) -> float:
        """Forward passes that the request cost: those of its answer, or without one those that were run in vain."""
        return self.forwards or sum(journey.forwards for journey in self.journeys)

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Note when something begins and ends, waiting for a thread included."""
        return noted(self.stages, name)

    def journey(self) -> Journey:
        """Begin another way through the engine."""
        journey = Journey()
        self.journeys.append(journey)
        return journey


def observe(scope: MutableMapping[str, Any], observation: Observation) -> None:
    """Attach an observation to a request."""
    scope.setdefault("state", {})[_KEY] = observation


def observation_in(scope: MutableMapping[str, Any]) -> Observation | None:
    """Find the observation of a request; None where no middleware of ours has seen it."""
    found = scope.get("state", {}).get(_KEY)
    return found if isinstance(found, Observation) else None


def observation_of(request: Request) -> Observation:
    """Find the observation of a request; an unnamed one where no middleware of ours has seen it."""
    return observation_in(request.scope) or Observation(request_id="")
