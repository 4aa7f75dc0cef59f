"""What an operator sees must be what happened."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from service import monitoring
from service.monitoring import exposition

RAW = {"Content-Type": "image/png"}
ROOT = Path(__file__).parents[3]


def _samples(client: TestClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Read as Prometheus would; a line that it could not read is an error."""
    text = client.get("/metrics").text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _of(samples: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    return sum(value for (found, of), value in samples.items() if found == name and set(labels.items()) <= of)


def test_an_explanation_is_counted_with_its_cost_and_its_quality(client: TestClient, picture: bytes) -> None:
    """The forwards in the metrics are those in the answer."""
    before = _samples(client)

    answer = client.post("/v1/explain?method=gradient", content=picture, headers=RAW).json()

    after = _samples(client)

    def rise(name: str, **labels: str) -> float:
        return _of(after, name, **labels) - _of(before, name, **labels)

    assert rise("saliserve_requests_total", route="/v1/explain", status="200", model="colours") == 1
    assert rise("saliserve_request_duration_seconds_count", route="/v1/explain") == 1
    assert rise("saliserve_explanations_total", method="gradient", model="colours") == 1
    assert rise("saliserve_forward_passes_total", kind="predict") == 1
    assert rise("saliserve_forward_passes_total", kind="explain") == answer["explanation"]["forwards"]
    assert rise("saliserve_forward_passes_total", kind="receipt") == answer["receipt"]["forwards"]
    assert rise("saliserve_receipt_verdicts_total", verdict=answer["receipt"]["verdict"]) == 1
    assert rise("saliserve_stage_duration_seconds_count", stage="decode", model="colours") == 1
    best = answer["prediction"]["top_k"][0]
    assert rise("saliserve_predicted_classes_total", model="colours", classes=str(best["index"])) == 1
    assert rise("saliserve_prediction_confidence_sum") == pytest.approx(best["probability"], rel=1e-5)
    assert rise("saliserve_map_entropy_ratio_sum", method="gradient") == pytest.approx(
        answer["receipt"]["sparseness"]["entropy_share"], rel=1e-3
    )
    assert rise("saliserve_queue_duration_seconds_count", kind="explain") == 1
    spent = 1 + answer["explanation"]["forwards"] + answer["receipt"]["forwards"]
    assert rise("saliserve_micro_batch_passes_sum", model="colours") == spent
    assert rise("saliserve_micro_batch_passes_count", model="colours", direction="gradient") == 1
    assert _of(after, "saliserve_queued_forward_passes") == 0
    if answer["receipt"]["summary"]:
        assert rise("saliserve_receipt_srg_count", method="gradient") == 1
        z_score = answer["receipt"]["summary"]["z_score"]
        for bound in (-4.0, 0.0, 4.0, 20.0):  # what can be negative has buckets and no sum
            counted = rise("saliserve_receipt_z_score_bucket", method="gradient", le=str(bound))
            assert counted == (z_score <= bound)


def test_a_problem_is_counted_by_its_code(client: TestClient) -> None:
    """And under its route's template, the raw path nowhere."""
    before = _samples(client)

    client.get("/v1/models/some-model-that-nobody-has")
    client.get("/some/path/that/nobody/has")

    after = _samples(client)
    name = "saliserve_requests_total"
    assert _of(after, "saliserve_problems_total", code="unknown_model") - _of(
        before, "saliserve_problems_total", code="unknown_model"
    ) == pytest.approx(1)
    assert _of(after, name, route="/v1/models/{name}", status="404") >= 1
    assert _of(after, name, route="unmatched", status="404") >= 1
    assert b"nobody" not in exposition()


def test_a_request_that_fails_is_no_longer_in_progress(client: TestClient) -> None:
    """Of all that were ever asked only the scrape itself is under way."""
    client.post("/v1/predict", content=b"", headers=RAW)

    assert _of(_samples(client), "saliserve_requests_in_progress") == 1


def test_invented_methods_make_no_new_series(client: TestClient) -> None:
    """An HTTP method is any word; each would be kept for ever."""
    client.request("BREW", "/v1/predict")

    samples = _samples(client)
    assert _of(samples, "saliserve_requests_total", method="other") >= 1
    assert _of(samples, "saliserve_requests_total", method="BREW") == 0


def test_names_follow_the_conventions_of_prometheus() -> None:
    """One prefix; base units in full; counters end in _total, and nothing else does."""
    for family in text_string_to_metric_families(exposition().decode()):
        if not family.name.startswith("saliserve_"):
            continue
        assert re.fullmatch(r"saliserve_[a-z_]+", family.name)
        assert family.documentation.endswith(".")
        assert not re.search(r"_(ms|milliseconds|count|total)$", family.name)


def test_worker_processes_add_up(tmp_path: Path) -> None:
    """Two processes count one request and five queued passes each; a third, asked for the metrics, sums them.

    A gauge without a mode would appear once per process.
    """
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    count = (
        "from service import monitoring\n"
        "monitoring.observe_request(method='GET', route='/x', model='', status=200, code='', seconds=0.1)\n"
        "monitoring.MODEL_INFO.labels('m', '1', 'digest', 'CPUExecutionProvider').set(1)\n"
        "from service.watching import DeviceWatch\n"
        "DeviceWatch().queued(5)\n"
    )
    show = "from service import monitoring\nprint(monitoring.exposition().decode())\n"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", count], cwd=ROOT, env=environment, check=True)

    shown = subprocess.run(
        [sys.executable, "-c", show], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    ).stdout

    assert 'saliserve_requests_total{method="GET",model="",route="/x",status="200"} 2.0' in shown
    assert "saliserve_queued_forward_passes 10.0" in shown
    assert shown.count("saliserve_model_info{") == 1
    assert "pid=" not in shown


def test_gauges_of_dead_workers_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that was killed would count as busy for ever."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    dead, alive = tmp_path / f"gauge_livesum_{child.pid}.db", tmp_path / f"gauge_livesum_{os.getpid()}.db"
    counter = tmp_path / f"counter_{child.pid}.db"
    for file in (dead, alive, counter):
        file.touch()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))

    monitoring.forget_dead_workers()

    assert sorted(tmp_path.iterdir()) == sorted([alive, counter])


@pytest.mark.parametrize("classes", [2, 50, 51, 1000, 1001])
def test_classes_fall_into_few_groups_that_do_not_overlap(classes: int) -> None:
    """Every class is in the range that its group names, and there are at most fifty."""
    groups = {index: monitoring.class_group(index, classes) for index in range(classes)}

    assert len(set(groups.values())) <= 50
    for index, group in groups.items():
        first, _, last = group.partition("-")
        assert int(first) <= index <= int(last or first)
