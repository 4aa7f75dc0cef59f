"""Traces: what an operator sees of one request, and that nobody pays for them who does not want them."""

import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from service.engine import Engine
from service.errors import SettingsError
from service.http import otlp
from service.http import traces as module
from service.http.application import create_app
from service.http.otlp import OtlpTraces
from service.http.traces import check_traces, open_traces
from service.settings import Settings
from tests.collector import Collector, attributes, collecting
from tests.server import LONGEST_S, ROOT, Server, free_port, running_server, until

RAW = {"Content-Type": "image/png"}
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
WITHIN = {"traceparent": f"00-{TRACE_ID}-{CALLER}-01"}
"""The example of W3C Trace Context, section 3.2."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


class Traced:
    """The app in process, its traces sent to a collector when it is asked for them."""

    def __init__(self, engine: Engine, settings: Settings, collector: Collector, **more: object) -> None:
        chosen = settings.model_copy(update={"traces_endpoint": collector.endpoint, **more})
        self._collector = collector
        self._traces = OtlpTraces(chosen)
        self.client = TestClient(create_app(engine, chosen, traces=self._traces))

    def spans(self, request_id: str) -> dict[str, Span]:
        """Of a request, all of them: closing sends what is left, and returns when it has arrived."""
        self._traces.close()
        return self._collector.spans(request_id)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the collector shares this process, a busy machine may take its time."""
    monkeypatch.setattr(otlp, "_SEND_S", LONGEST_S)


@pytest.fixture
def traced(engine: Engine, settings: Settings, collector: Collector) -> Traced:
    return Traced(engine, settings, collector)


def named(request_id: str, **headers: str) -> dict[str, str]:
    return {**RAW, **headers, "X-Request-ID": request_id}


def parents(spans: dict[str, Span]) -> dict[str, str]:
    """Who is within whom, by name."""
    names = {span.span_id: name for name, span in spans.items()}
    return {name: names.get(span.parent_span_id, "") for name, span in spans.items()}


def test_an_explanation_is_traced_through_all_its_parts(traced: Traced, picture: bytes) -> None:
    """Waiting is told from working, and the device's work from the rest."""
    answer = traced.client.post("/v1/explain?receipt=fast", content=picture, headers=named("whole"))
    spans = traced.spans("whole")

    assert answer.status_code == 200
    request = "POST /v1/explain"
    assert parents(spans) == {
        request: "",
        **dict.fromkeys(("receive", "decode", "resize", "queue", "device", "render"), request),
        **dict.fromkeys(("predict", "explain", "receipt"), "device"),
    }
    assert spans[request].kind == Span.SPAN_KIND_SERVER
    body = answer.json()
    spent = 1 + body["explanation"]["forwards"] + body["receipt"]["forwards"]
    assert attributes(spans[request]) == {
        "http.request.method": "POST",
        "http.route": "/v1/explain",
        "http.response.status_code": 200,
        "saliserve.request_id": "whole",
        "saliserve.model": "colours",
        "saliserve.method": body["explanation"]["method"],
        "saliserve.verdict": body["receipt"]["verdict"],
        "saliserve.forward_passes": spent,
    }
    device = attributes(spans["device"])
    assert device["saliserve.forward_passes"] == spent
    assert 1 < device["saliserve.micro_batches"] <= spent
    assert device["saliserve.preemptions"] == 0
    lasted_ms = (spans["device"].end_time_unix_nano - spans["device"].start_time_unix_nano) / 1e6
    assert 0 < device["saliserve.device_ms"] <= lasted_ms


def test_every_span_lies_within_its_request_and_in_order(traced: Traced, picture: bytes) -> None:
    """All are by one clock, moved to the time of day once."""
    traced.client.post("/v1/explain?receipt=none", content=picture, headers=named("order"))
    spans = traced.spans("order")

    request = spans["POST /v1/explain"]
    order = ["receive", "decode", "resize", "queue", "device", "render"]
    times = [
        moment
        for name in order
        for moment in (spans[name].start_time_unix_nano, spans[name].end_time_unix_nano)
    ]
    # The request's own ends are by the other clock, read within microseconds of the first.
    slack_ns = 1_000_000
    assert times == sorted(times)
    assert request.start_time_unix_nano - slack_ns <= times[0]
    assert times[-1] <= request.end_time_unix_nano + slack_ns


def test_a_caller_s_trace_goes_on(traced: Traced, picture: bytes) -> None:
    """W3C Trace Context: its id is kept, its span is the parent."""
    traced.client.post("/v1/predict", content=picture, headers=named("within", **WITHIN))
    span = traced.spans("within")["POST /v1/predict"]

    assert span.trace_id.hex() == TRACE_ID
    assert span.parent_span_id.hex() == CALLER


@pytest.mark.parametrize("broken", ["", "00-xyz", f"00-{'0' * 32}-{CALLER}-01", f"ff-{TRACE_ID}-{CALLER}-01"])
def test_a_broken_traceparent_begins_a_new_trace(traced: Traced, picture: bytes, broken: str) -> None:
    """As section 3.2.2 demands; it is nobody's mistake to be refused for."""
    answer = traced.client.post("/v1/predict", content=picture, headers=named("broken", traceparent=broken))
    span = traced.spans("broken")["POST /v1/predict"]

    assert answer.status_code == 200
    assert not span.parent_span_id
    assert span.trace_id.hex() not in {TRACE_ID, "0" * 32}


def test_a_caller_decides_whether_its_trace_is_kept(
    engine: Engine, settings: Settings, collector: Collector, picture: bytes
) -> None:
    """The ratio of 0 is for the others."""
    traced = Traced(engine, settings, collector, traces_ratio=0.0)
    for name, headers in (("alone", {}), ("within", WITHIN)):
        traced.client.post("/v1/predict", content=picture, headers=named(name, **headers))

    assert traced.spans("within")
    assert not collector.spans("alone")


def test_a_refused_request_says_why_and_a_failed_one_is_marked(traced: Traced, picture: bytes) -> None:
    """4xx is the caller's and no error of the server's span, says the convention; 503 is."""
    traced.client.post("/v1/predict?top_k=99", content=picture, headers=named("mistake"))
    traced.client.post("/v1/predict?deadline_ms=1e-9", content=picture, headers=named("late"))
    mistake = traced.spans("mistake")["POST /v1/predict"]

    assert attributes(mistake)["error.type"] == "invalid_option"
    assert mistake.status.code == Status.STATUS_CODE_UNSET
    late = traced.spans("late")
    assert "device" not in late
    assert attributes(late["POST /v1/predict"])["http.response.status_code"] in {422, 503}


def test_an_unforeseen_failure_is_marked(traced: Traced, picture: bytes, engine: Engine) -> None:
    """And the trace ends as any other."""

    def broken(*_: object) -> None:
        raise RuntimeError("planted")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "predict", broken)
        answer = traced.client.post("/v1/predict", content=picture, headers=named("planted"))
    span = traced.spans("planted")["POST /v1/predict"]

    assert answer.status_code == 500
    assert (span.status.code, span.status.message) == (Status.STATUS_CODE_ERROR, "internal")


def test_each_picture_of_a_request_has_a_way_of_its_own(
    traced: Traced, collector: Collector, picture: bytes
) -> None:
    """KServe sends several at once."""
    instance = {"b64": b64encode(picture).decode()}
    traced.client.post(
        "/v1/models/colours:predict", json={"instances": [instance] * 2}, headers={"X-Request-ID": "two"}
    )
    request = traced.spans("two")["POST /v1/models/{name}:predict"]

    ways = [span for span in collector.all_spans("two") if span.name == "device"]
    assert [attributes(span)["saliserve.picture"] for span in ways] == [0, 1]
    assert {span.parent_span_id for span in ways} == {request.span_id}


def test_a_stream_is_traced_to_its_end(traced: Traced, picture: bytes) -> None:
    """The answer is rendered after the header has gone out."""
    headers = named("streamed", Accept="text/event-stream")
    text = traced.client.post("/v1/explain?receipt=none", content=picture, headers=headers).text

    assert "event: result" in text
    assert {"device", "render"} <= traced.spans("streamed").keys()


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/v2/health/live"])
def test_probes_are_not_traced(traced: Traced, collector: Collector, path: str) -> None:
    """Machines ask every few seconds, and nobody would find anything else."""
    assert traced.client.get(path, headers={"X-Request-ID": "probe"}).status_code == 200
    assert not traced.spans("probe")
    assert not collector.paths


def test_the_real_server_sends_traces_and_logs_their_ids(
    models: Path, tmp_path: Path, picture: bytes, collector: Collector
) -> None:
    """From a worker of BentoML's, while it serves and when it ends."""
    chosen = {"traces_endpoint": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": 100}
    with running_server(tmp_path, models=models, threads=1, **chosen) as server:
        server.ask("POST", "/v1/predict", content=picture, headers=named("serving", **WITHIN))
        until(lambda: bool(collector.spans("serving")), "the trace's way to the collector")
        server.ask("POST", "/v1/predict", content=picture, headers=named("last"))

    spans = collector.spans("serving")
    assert parents(spans)["queue"] == "POST /v1/predict"
    assert spans["POST /v1/predict"].trace_id.hex() == TRACE_ID
    assert {"decode", "queue", "device", "render"} <= collector.spans("last").keys()
    assert (collector.paths, collector.services) == ({"/v1/traces"}, {"saliserve"})
    # The server has ended, so its log is whole.
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    logged = {line["request_id"]: line["trace_id"] for line in lines if line["message"] == "request"}
    assert logged == {name: next(iter(collector.spans(name).values())).trace_id.hex() for name in logged}
    assert logged["serving"] == TRACE_ID


def test_a_collector_that_is_away_delays_and_fails_nothing(
    models: Path, tmp_path: Path, picture: bytes
) -> None:
    """Nobody listens there. Requests are answered, the log says it as JSON, the process ends with 0."""
    endpoint = f"http://127.0.0.1:{free_port()}/v1/traces"
    server = Server(tmp_path, models=models, threads=1, traces_endpoint=endpoint, OTEL_BSP_SCHEDULE_DELAY=50)
    server.start()
    answers = [server.ask("POST", "/v1/predict", content=picture, headers=RAW) for _ in range(3)]
    until(lambda: "opentelemetry" in server.log.read_text(), "the complaint in the log")

    assert [answer.status_code for answer in answers] == [200] * 3
    assert server.stop() == 0
    complaints = [line for line in server.log.read_text().splitlines() if "opentelemetry" in line]
    assert {json.loads(line)["level"] for line in complaints} <= {"WARNING", "ERROR"}


def test_without_the_setting_nothing_of_it_is_imported() -> None:
    """In a fresh process: neither our part nor the exporter, a tenth of a second (FastAPI imports the API by itself)."""
    program = (
        "import sys; from service.http.application import create_app; from service.http.traces import open_traces; "
        "from service.settings import Settings; assert open_traces(Settings()) is None; "
        "unwanted = ('opentelemetry.sdk', 'opentelemetry.exporter', 'service.http.otlp'); "
        "print([name for name in sys.modules if name.startswith(unwanted)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_no_variable_of_a_framework_s_sends_anything(
    engine: Engine, settings: Settings, collector: Collector, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FastAPI can tell the collector of the whole platform of raw paths and exceptions; only our setting counts."""
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.removesuffix("/v1/traces"))

    with TestClient(create_app(engine, settings)) as client:
        assert client.post("/v1/predict", content=picture, headers=RAW).status_code == 200

    assert not collector.paths


def test_a_package_that_is_missing_stops_the_start_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout has no exporter unless it was asked for."""

    def missing(_: str) -> None:
        raise ModuleNotFoundError(name="opentelemetry.exporter")

    monkeypatch.setattr(module, "import_module", missing)
    chosen = Settings(traces_endpoint="http://collector:4318/v1/traces")

    for begin in (check_traces, open_traces):
        with pytest.raises(SettingsError, match=r"opentelemetry.exporter.*serve-otel"):
            begin(chosen)


@pytest.mark.parametrize("value", ["collector:4318", "ftp://collector", "", "http://"])
def test_an_address_that_is_none_stops_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Rather than that every parcel fails."""
    monkeypatch.setenv("SALISERVE_TRACES_ENDPOINT", value)

    with pytest.raises(SettingsError, match="SALISERVE_TRACES_ENDPOINT"):
        Settings.from_environment()
