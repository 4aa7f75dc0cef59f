"""Traces by OpenTelemetry, sent by OTLP over HTTP. The only file that imports opentelemetry.

A request is one span of kind *server*. What it was made of is noted while it runs (:class:`Observation`,
:class:`Journey`) and written down as spans when it is over: the device's thread never waits for a tracer.
"""

import os
import time
from collections.abc import Iterable, Mapping

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    format_trace_id,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers

from service.http.observation import Observation
from service.http.problems import is_our_failure
from service.runtime.journey import Journey, Stage
from service.settings import Settings

_SEND_S = 2.0
"""For one parcel, retries included. At the end of the process a few of them may be left, and it waits for them."""


class OtlpTraces:
    """Makes a trace of every request, and sends it from a thread of its own.

    A collector that is away or slow delays no request: spans are dropped when some 2,000 are waiting. The
    standard variables ``OTEL_*`` say what the settings do not, such as headers and certificates.

    Args:
        settings: Say where to, and what share.
    """

    def __init__(self, settings: Settings) -> None:
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(settings.traces_ratio)),
            resource=Resource.create(
                {"service.name": os.environ.get("OTEL_SERVICE_NAME", "saliserve"), "process.pid": os.getpid()}
            ),
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(endpoint=settings.traces_endpoint, timeout=_SEND_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("saliserve")
        self._callers = TraceContextTextMapPropagator()

    def begin(self, headers: Headers, observation: Observation) -> "OtlpTraced":
        """Begin the span of a request, as a part of the caller's trace if ``traceparent`` names one."""
        span = self._tracer.start_span(
            "request", context=self._callers.extract(headers), kind=SpanKind.SERVER
        )
        observation.trace_id = format_trace_id(span.get_span_context().trace_id)
        return OtlpTraced(self._tracer, span, observation)

    def close(self) -> None:
        """Send what has not been sent."""
        self._provider.shutdown()


class OtlpTraced:
    """The span of a request, and in the end those within.

    Args:
        tracer: Makes them.
        span: Of the request.
        observation: Filled in while it is answered.
    """

    def __init__(self, tracer: Tracer, span: Span, observation: Observation) -> None:
        self._tracer = tracer
        self._span = span
        self._observation = observation
        # Durations are by a clock that only goes forward; a trace wants the time of day.
        self._midnight_ns = time.time_ns() - time.perf_counter_ns()

    def end(self, *, method: str, route: str, status: int) -> None:
        """Write down what became of the request."""
        span, seen = self._span, self._observation
        if span.is_recording():
            span.update_name(f"{method} {route}")
            span.set_attributes(_present(_attributes(seen, method=method, route=route, status=status)))
            if is_our_failure(status):
                span.set_status(Status(StatusCode.ERROR, seen.code))
            self._add_all(seen.stages, span)
            for number, journey in enumerate(seen.journeys):
                self._add_journey(journey, {"saliserve.picture": number})
        span.end()

    def _add_journey(self, journey: Journey, of: Mapping[str, int]) -> None:
        over_s = journey.ended_s or time.perf_counter()
        begun_s = journey.begun_s or over_s
        self._add_all((stage for stage in journey.stages if stage.begin_s < begun_s), self._span, of)
        if journey.accepted_s is None:
            return
        self._add(Stage("queue", journey.accepted_s, begun_s), self._span, of)
        if journey.begun_s is None:
            return
        device = self._add(Stage("device", begun_s, over_s), self._span, {**of, **_spent(journey)})
        self._add_all((stage for stage in journey.stages if stage.begin_s >= begun_s), device, of)

    def _add_all(self, stages: Iterable[Stage], parent: Span, of: Mapping[str, int] | None = None) -> None:
        for stage in stages:
            self._add(stage, parent, of or {})

    def _add(self, stage: Stage, parent: Span, attributes: Mapping[str, int | float]) -> Span:
        span = self._tracer.start_span(
            stage.name,
            context=set_span_in_context(parent),
            start_time=self._time_of_day_ns(stage.begin_s),
            attributes=attributes,
        )
        span.end(self._time_of_day_ns(stage.end_s))
        return span

    def _time_of_day_ns(self, clock_s: float) -> int:
        return self._midnight_ns + round(1e9 * clock_s)


def _attributes(
    seen: Observation, *, method: str, route: str, status: int
) -> Mapping[str, str | int | float]:
    """Name things as OpenTelemetry's conventions for HTTP do, and the rest as the log does."""
    return {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status,
        "error.type": seen.code,
        "saliserve.request_id": seen.request_id,
        "saliserve.model": seen.model,
        "saliserve.method": seen.method,
        "saliserve.verdict": seen.verdict,
        "saliserve.forward_passes": seen.forwards,
    }


def _spent(journey: Journey) -> Mapping[str, int | float]:
    return {
        "saliserve.forward_passes": journey.forwards,
        "saliserve.micro_batches": journey.micro_batches,
        "saliserve.device_ms": round(1e3 * journey.device_s, 3),
        "saliserve.preemptions": journey.preemptions,
        "saliserve.restarts": journey.restarts,
    }


def _present(attributes: Mapping[str, str | int | float]) -> Mapping[str, str | int | float]:
    return {name: value for name, value in attributes.items() if value != ""}
