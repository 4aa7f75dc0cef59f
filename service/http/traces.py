"""What the edge asks of traces; who makes them is chosen at the start, and nothing of it is imported before."""

from importlib import import_module
from types import ModuleType
from typing import Protocol, cast

from starlette.datastructures import Headers

from service.errors import SettingsError
from service.http.observation import Observation
from service.settings import Settings


class Traced(Protocol):
    """A request that is traced."""

    def end(self, *, method: str, route: str, status: int) -> None:
        """Write down what became of it.

        Args:
            method: Of HTTP.
            route: As a template.
            status: Of the answer.
        """


class Traces(Protocol):
    """Makes a trace of every request."""

    def begin(self, headers: Headers, observation: Observation) -> Traced:
        """Begin one, as a part of the caller's trace if the headers name one; put its id into *observation*."""

    def close(self) -> None:
        """Send what has not been sent."""


def open_traces(settings: Settings) -> Traces | None:
    """Begin to send traces, if the settings say where to.

    Raises:
        SettingsError: They do, and the packages for it are not installed.
    """
    if settings.traces_endpoint is None:
        return None
    return cast(Traces, _sender(settings.traces_endpoint).OtlpTraces(settings))


def check_traces(settings: Settings) -> None:
    """See whether traces could be sent, without a trial.

    Raises:
        SettingsError: The packages for it are not installed.
    """
    if settings.traces_endpoint is not None:
        _sender(settings.traces_endpoint)


def _sender(endpoint: str) -> ModuleType:
    try:
        return import_module("service.http.otlp")
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"SALISERVE_TRACES_ENDPOINT={endpoint} asks for traces, and {error.name} is not installed. Install the "
            "dependency group serve-otel (pip install --constraint constraints.txt --group serve-otel), or leave the "
            "setting out.",
            where="SALISERVE_TRACES_ENDPOINT",
        ) from error
