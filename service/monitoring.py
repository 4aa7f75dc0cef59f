"""The Prometheus collectors: what an operator watches.

Counts and histograms add up over worker processes by themselves; gauges say how they do. Every label has
few values: routes are templates, models and methods those that exist.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from service.runtime.model import LoadedModel

CONTENT_TYPE = CONTENT_TYPE_LATEST

_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""From a prediction on a GPU to a full receipt of occlusion on two cores."""

_SRG = (-0.4, -0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8)
"""LeRF minus MoRF area, both in [0, 1]; 0 is what random orders give."""

_Z = (-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0)
"""Standard deviations of the same image's random orders."""

_GAP = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Logits."""

_SHARE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
"""Of something between 0 and 1."""

_MOST_CLASS_GROUPS = 50
"""Time series a model: one for each of a thousand classes would be too many."""

_MICRO_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
"""The sizes that are tried at start-up."""

REQUESTS = Counter(
    "saliserve_requests",
    "Requests answered, by route template, model and status.",
    ("method", "route", "model", "status"),
)
REQUEST_SECONDS = Histogram(
    "saliserve_request_duration_seconds",
    "From the request's header to the end of its answer.",
    ("method", "route", "model"),
    buckets=_REQUEST_SECONDS,
)
IN_PROGRESS = Gauge(
    "saliserve_requests_in_progress", "Requests being answered now.", multiprocess_mode="livesum"
)
PROBLEMS = Counter("saliserve_problems", "Requests refused or failed, by the problem's code.", ("code",))
STAGE_SECONDS = Histogram(
    "saliserve_stage_duration_seconds",
    "Duration of a stage of a request, waiting for the device included.",
    ("stage", "model"),
    buckets=_REQUEST_SECONDS,
)
FORWARDS = Counter("saliserve_forward_passes", "Forward passes spent, by what for.", ("model", "kind"))
EXPLANATIONS = Counter(
    "saliserve_explanations",
    "Maps made, by whether the method converged and whether the map says anything at all.",
    ("model", "method", "converged", "degenerate"),
)
CONFIDENCE = Histogram(
    "saliserve_prediction_confidence", "Probability of the predicted class.", ("model",), buckets=_SHARE
)
PREDICTED_CLASSES = Counter(
    "saliserve_predicted_classes",
    "Predictions, by the predicted class, or a range of them where the model has more than 50.",
    ("model", "classes"),
)
MAP_ENTROPY = Histogram(
    "saliserve_map_entropy_ratio",
    "Entropy of a map's magnitudes over the largest that it could have; 1 is spread evenly.",
    ("model", "method"),
    buckets=_SHARE,
)
COMPLETENESS_GAP = Histogram(
    "saliserve_completeness_gap_logits",
    "Magnitude of the difference between a map's sum and what it should be.",
    ("model", "method"),
    buckets=_GAP,
)
VERDICTS = Counter("saliserve_receipt_verdicts", "Receipts, by verdict.", ("model", "method", "verdict"))
SRG = Histogram(
    "saliserve_receipt_srg",
    "Mean symmetric relevance gain of a map over the removal operators; 0 is chance.",
    ("model", "method"),
    buckets=_SRG,
)
Z_SCORE = Histogram(
    "saliserve_receipt_z_score",
    "The gain in log-odds against random orders of the same image, in standard deviations.",
    ("model", "method"),
    buckets=_Z,
)
UPLOAD_BYTES = Gauge(
    "saliserve_upload_bytes",
    "Bytes that the bodies of requests under way hold, those still arriving included.",
    multiprocess_mode="livesum",
)
REFUSED_UPLOADS = Counter(
    "saliserve_refused_uploads",
    "Requests refused because the bodies of those under way held all that they may hold.",
)
QUEUED_FORWARDS = Gauge(
    "saliserve_queued_forward_passes", "Forward passes accepted and not yet run.", multiprocess_mode="livesum"
)
QUEUE_SECONDS = Histogram(
    "saliserve_queue_duration_seconds",
    "From a request's acceptance to its first micro-batch, by kind of request.",
    ("kind",),
    buckets=_REQUEST_SECONDS,
)
MICRO_BATCH = Histogram(
    "saliserve_micro_batch_passes",
    "Passes of a micro-batch, by direction: forward, incremental (what windows change), gradient, features with "
    "theirs, guided, attention.",
    ("model", "direction"),
    buckets=_MICRO_BATCHES,
)
PREEMPTIONS = Counter(
    "saliserve_preemptions",
    "Times that an unfinished request lost its turn to a kind that goes first.",
    ("kind",),
)
DEADLINES = Counter(
    "saliserve_deadlines_missed",
    "Requests not finished by their deadline: refused at once, failed, or answered with what there was.",
    ("kind", "outcome"),
)
CANCELLATIONS = Counter(
    "saliserve_cancelled_requests", "Requests dropped because their callers went away.", ("kind",)
)
CANCELLED_FORWARDS = Counter(
    "saliserve_cancelled_forward_passes", "Passes spent in vain on requests that were dropped.", ("kind",)
)
MODEL_INFO = Gauge(
    "saliserve_model_info",
    "1 for every model that is served, with the provider that computes it; 0 when it is served no longer.",
    ("model", "version", "sha256", "provider"),
    multiprocess_mode="livemax",
)
BUNDLE_REFUSED = Gauge(
    "saliserve_bundle_refused",
    "1 for every bundle on disk that is not served as it lies there, with the code of the reason.",
    ("model", "version", "code"),
    multiprocess_mode="livemax",
)


def observe_request(*, method: str, route: str, model: str, status: int, code: str, seconds: float) -> None:
    """Count a request that was answered."""
    REQUESTS.labels(method, route, model, str(status)).inc()
    REQUEST_SECONDS.labels(method, route, model).observe(seconds)
    if code:
        PROBLEMS.labels(code).inc()


def announce_model(model: LoadedModel) -> None:
    """Show a model as served."""
    _model_info(model).set(1)


def retract_model(model: LoadedModel) -> None:
    """Show it as served no longer; its series cannot be taken back."""
    _model_info(model).set(0)


def observe_stages(model: str, timings_ms: Mapping[str, float]) -> None:
    """Count the stages of a request."""
    for stage, milliseconds in timings_ms.items():
        STAGE_SECONDS.labels(stage, model).observe(milliseconds / 1e3)


def observe_prediction(model: str, *, predicted: int, classes: int, confidence: float) -> None:
    """Count what was predicted; how often which class is, and how surely, tells whether the pictures change.

    Args:
        model: Its name.
        predicted: Index of the predicted class.
        classes: How many the model has.
        confidence: Probability of the predicted one.
    """
    CONFIDENCE.labels(model).observe(confidence)
    PREDICTED_CLASSES.labels(model, class_group(predicted, classes)).inc()


def class_group(index: int, classes: int) -> str:
    """Name a class, or the range of classes that stands for it.

    Examples:
        >>> class_group(7, 10), class_group(281, 1000)
        ('7', '280-299')
    """
    size = -(-classes // _MOST_CLASS_GROUPS)
    first = index // size * size
    return str(first) if size == 1 else f"{first}-{min(first + size, classes) - 1}"


def observe_explanation(
    model: str,
    method: str,
    *,
    converged: bool,
    degenerate: bool,
    completeness_gap: float | None,
    entropy: float | None,
) -> None:
    """Count a map; *entropy* is None for one that is 0 everywhere."""
    if entropy is not None:
        MAP_ENTROPY.labels(model, method).observe(entropy)
    EXPLANATIONS.labels(model, method, _word(converged), _word(degenerate)).inc()
    if completeness_gap is not None:
        COMPLETENESS_GAP.labels(model, method).observe(abs(completeness_gap))


def observe_receipt(
    model: str, method: str, *, verdict: str, srg: float | None, z_score: float | None
) -> None:
    """Count a receipt; *srg* and *z_score* are None where nothing could be scored."""
    VERDICTS.labels(model, method, verdict).inc()
    if srg is not None:
        SRG.labels(model, method).observe(srg)
    if z_score is not None:
        Z_SCORE.labels(model, method).observe(z_score)


def exposition() -> bytes:
    """Write all collectors in Prometheus' text format, those of all worker processes together.

    Examples:
        >>> b"saliserve_requests_total" in exposition()
        True
    """
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # registers itself
    return generate_latest(registry)


def forget_dead_workers() -> None:
    """Drop the live gauges of worker processes that died without saying so; nobody else does."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None:
        return
    for file in Path(folder).glob("gauge_live*_*.db"):
        if not _is_alive(int(file.stem.rpartition("_")[2])):
            file.unlink(missing_ok=True)


def _model_info(model: LoadedModel) -> Gauge:
    name, version = model.manifest.name, model.manifest.version
    return MODEL_INFO.labels(name, version, model.sha256, model.device.provider)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, so not a worker of ours, but alive
        return True
    return True


def _word(value: bool) -> str:  # noqa: FBT001 - the value is the subject
    return "true" if value else "false"
