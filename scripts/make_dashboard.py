"""Write deploy/grafana/saliserve.json: ``python -m scripts.make_dashboard``."""

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]

FILE = Path(__file__).parents[1] / "deploy" / "grafana" / "saliserve.json"

_SOURCE = {"type": "prometheus", "uid": "${source}"}
_WIDTH, _HEIGHT, _PER_ROW = 8, 8, 3
_MINE = 'job=~"$job"'
_MODEL = f'{_MINE}, model=~"$model"'


def _mean(metric: str, by: str, of: str = _MODEL) -> str:
    return (
        f"sum by ({by}) (rate({metric}_sum{{{of}}}[$__rate_interval])) / "
        f"sum by ({by}) (rate({metric}_count{{{of}}}[$__rate_interval]))"
    )


def _median(metric: str, by: str) -> str:
    """For what can be negative, whose sum Prometheus does not keep."""
    return f"histogram_quantile(0.5, sum by ({by}, le) (rate({metric}_bucket{{{_MODEL}}}[$__rate_interval])))"


def _share(metric: str, which: str, by: str) -> str:
    return (
        f"sum by ({by}) (rate({metric}{{{_MODEL}, {which}}}[$__rate_interval])) / "
        f"sum by ({by}) (rate({metric}{{{_MODEL}}}[$__rate_interval]))"
    )


PANELS: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    # row: (title, unit, legend, query)
    "Service": (
        (
            "Requests",
            "reqps",
            "{{route}} {{status}}",
            f"sum by (route, status) (route:saliserve_requests:rate5m{{{_MINE}}})",
        ),
        ("Failures (5xx but 503)", "percentunit", "{{job}}", f"job:saliserve_failures:share5m{{{_MINE}}}"),
        ("Refused with 503", "percentunit", "{{job}}", f"job:saliserve_refusals:share5m{{{_MINE}}}"),
        (
            "Slowest 5 % of requests",
            "s",
            "{{route}}",
            f"route:saliserve_request_duration_seconds:p95_5m{{{_MINE}}}",
        ),
        (
            "Problems by code",
            "reqps",
            "{{code}}",
            f"sum by (code) (rate(saliserve_problems_total{{{_MINE}}}[$__rate_interval]))",
        ),
        ("Requests in progress", "short", "{{instance}}", f"saliserve_requests_in_progress{{{_MINE}}}"),
        ("Bytes of uploads held", "bytes", "{{instance}}", f"saliserve_upload_bytes{{{_MINE}}}"),
        (
            "Uploads refused for want of room",
            "reqps",
            "{{instance}}",
            f"sum by (instance) (rate(saliserve_refused_uploads_total{{{_MINE}}}[$__rate_interval]))",
        ),
    ),
    "Device": (
        ("Forward passes waiting", "short", "{{instance}}", f"saliserve_queued_forward_passes{{{_MINE}}}"),
        (
            "Forward passes spent",
            "ops",
            "{{kind}}",
            f"sum by (kind) (rate(saliserve_forward_passes_total{{{_MODEL}}}[$__rate_interval]))",
        ),
        ("Mean duration of a stage", "s", "{{stage}}", _mean("saliserve_stage_duration_seconds", "stage")),
        (
            "Mean wait for the device",
            "s",
            "{{kind}}",
            _mean("saliserve_queue_duration_seconds", "kind", _MINE),
        ),
        (
            "Mean micro-batch, passes",
            "short",
            "{{model}} {{direction}}",
            _mean("saliserve_micro_batch_passes", "model, direction"),
        ),
        (
            "Passes on the device",
            "ops",
            "{{direction}}",
            f"sum by (direction) (rate(saliserve_micro_batch_passes_sum{{{_MODEL}}}[$__rate_interval]))",
        ),
        (
            "Turns lost to a kind that goes first",
            "ops",
            "{{kind}}",
            f"sum by (kind) (rate(saliserve_preemptions_total{{{_MINE}}}[$__rate_interval]))",
        ),
        (
            "Deadlines missed",
            "reqps",
            "{{kind}} {{outcome}}",
            f"sum by (kind, outcome) (rate(saliserve_deadlines_missed_total{{{_MINE}}}[$__rate_interval]))",
        ),
        (
            "Requests whose caller went away",
            "reqps",
            "{{kind}}",
            f"sum by (kind) (rate(saliserve_cancelled_requests_total{{{_MINE}}}[$__rate_interval]))",
        ),
        (
            "Passes spent on them in vain",
            "ops",
            "{{kind}}",
            f"sum by (kind) (rate(saliserve_cancelled_forward_passes_total{{{_MINE}}}[$__rate_interval]))",
        ),
    ),
    "Predictions": (
        (
            "Median confidence",
            "percentunit",
            "{{model}}",
            _median("saliserve_prediction_confidence", "model"),
        ),
        (
            "Shift of the predicted classes",
            "percentunit",
            "{{model}}",
            f"model:saliserve_classes:shift1h{{{_MODEL}}}",
        ),
        (
            "Shift of the confidence",
            "percentunit",
            "{{model}}",
            f"model:saliserve_confidence:shift1h{{{_MODEL}}}",
        ),
    ),
    "Explanations": (
        (
            "Median entropy of a map",
            "percentunit",
            "{{method}}",
            _median("saliserve_map_entropy_ratio", "method"),
        ),
        (
            "Maps made",
            "ops",
            "{{method}}",
            f"sum by (method) (rate(saliserve_explanations_total{{{_MODEL}}}[$__rate_interval]))",
        ),
        (
            "Maps cut short",
            "percentunit",
            "{{method}}",
            _share("saliserve_explanations_total", 'converged="false"', "method"),
        ),
        (
            "Maps that are the same everywhere",
            "percentunit",
            "{{method}}",
            _share("saliserve_explanations_total", 'degenerate="true"', "method"),
        ),
        (
            "Verdicts",
            "ops",
            "{{verdict}}",
            f"sum by (verdict) (rate(saliserve_receipt_verdicts_total{{{_MODEL}}}[$__rate_interval]))",
        ),
        (
            "Maps no better than random (1 h)",
            "percentunit",
            "{{model}} {{method}}",
            f'model_method_verdict:saliserve_receipts:share1h{{{_MODEL}, verdict="indistinguishable from random"}}',
        ),
        (
            "Median SRG (1 h; chance is 0)",
            "short",
            "{{model}} {{method}}",
            f"model_method:saliserve_srg:median1h{{{_MODEL}}}",
        ),
        ("Median z-score of receipts", "short", "{{method}}", _median("saliserve_receipt_z_score", "method")),
        (
            "Mean completeness gap, logits",
            "short",
            "{{method}}",
            _mean("saliserve_completeness_gap_logits", "method"),
        ),
        (
            "Models served",
            "short",
            "{{model}} {{version}} {{provider}}",
            f"count by (model, version, provider) (saliserve_model_info{{{_MINE}}} == 1)",
        ),
    ),
}


def dashboard() -> Json:
    """Put the dashboard together."""
    panels: list[Json] = []
    top = 0
    for title, row in PANELS.items():
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": title,
                "panels": [],
                "gridPos": _place(0, top, 24, 1),
            }
        )
        for number, panel in enumerate(row):
            place = _place(
                number % _PER_ROW * _WIDTH, top + 1 + number // _PER_ROW * _HEIGHT, _WIDTH, _HEIGHT
            )
            panels.append(_panel(len(panels) + 1, place, panel))
        top += 1 + -(-len(row) // _PER_ROW) * _HEIGHT
    return {
        "uid": "saliserve",
        "title": "saliserve",
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_source(), _choice("job"), _choice("model")]},
        "panels": panels,
    }


def _panel(number: int, place: Json, panel: tuple[str, str, str, str]) -> Json:
    title, unit, legend, query = panel
    return {
        "id": number,
        "type": "timeseries",
        "title": title,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        "targets": [{"refId": "A", "datasource": _SOURCE, "expr": query, "legendFormat": legend}],
    }


def _place(x: int, y: int, width: int, height: int) -> Json:
    return {"x": x, "y": y, "w": width, "h": height}


def _source() -> Json:
    return {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}


def _choice(label: str) -> Json:
    return {
        "name": label,
        "type": "query",
        "datasource": _SOURCE,
        "query": f"label_values(saliserve_model_info, {label})",
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
    }


def text() -> str:
    """Write it as the file holds it."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
