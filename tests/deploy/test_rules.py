"""Rules and dashboard name what exists, say what they mean, and are explained."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import make_dashboard
from service import monitoring

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
PROMTOOL = shutil.which("promtool")

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed; on Debian: apt-get install prometheus"
)


def rules() -> list[dict[str, Any]]:
    files = (PROMETHEUS / name for name in ("recording.yml", "alerts.yml"))
    return [
        rule
        for file in files
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]


def dashboard_queries() -> list[str]:
    panels = json.loads(make_dashboard.FILE.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def exported() -> set[str]:
    """Names of all series that the service's collectors can have."""
    kinds = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {
        family.name + suffix
        for family in monitoring.REGISTRY.collect()
        if family.name.startswith("saliserve_")
        for suffix in kinds[family.type]
    }


def named(query: str) -> Iterator[str]:
    """Names of series in a query: ours, and those that rules record."""
    return (name for name in re.findall(r"[a-zA-Z_][\w:]*", query) if "saliserve_" in name)


def alerts() -> list[str]:
    return [rule["alert"] for rule in rules() if "alert" in rule]


def test_every_series_that_is_asked_for_exists() -> None:
    """A misspelt name is no error to Prometheus: the alert just never fires."""
    known = exported() | {rule["record"] for rule in rules() if "record" in rule}
    asked = {
        name for query in [*(rule["expr"] for rule in rules()), *dashboard_queries()] for name in named(query)
    }

    assert len(asked) > 15
    assert asked <= known


def test_every_kind_of_series_is_on_the_dashboard_or_in_a_rule() -> None:
    """What nobody looks at need not be measured."""
    queries = " ".join([*(rule["expr"] for rule in rules()), *dashboard_queries()])
    families = {
        family.name for family in monitoring.REGISTRY.collect() if family.name.startswith("saliserve_")
    }

    assert {family for family in families if family not in queries} == set()


@needs_promtool
def test_the_rules_do_what_they_say() -> None:
    """promtool runs them over made-up series whose outcome is known by hand."""
    done = subprocess.run(
        [str(PROMTOOL), "test", "rules", "rules_test.yml"],
        cwd=PROMETHEUS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_the_configuration_is_valid() -> None:
    done = subprocess.run(
        [str(PROMTOOL), "check", "config", "prometheus.yml"],
        cwd=PROMETHEUS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", alerts())
def test_every_alert_has_been_made_to_fire(alert: str) -> None:
    """One that is only seen not to fire may be unable to."""
    tests = yaml.safe_load((PROMETHEUS / "rules_test.yml").read_text())["tests"]
    fired = {
        one["alertname"] for test in tests for one in test.get("alert_rule_test", ()) if one["exp_alerts"]
    }

    assert alert in fired


@pytest.mark.parametrize("alert", alerts())
def test_every_alert_is_in_the_runbook(alert: str) -> None:
    """Under a heading of its name, to which its annotation points, with its severity."""
    (rule,) = [rule for rule in rules() if rule.get("alert") == alert]
    runbook = (ROOT / "docs" / "runbook.md").read_text()

    assert f"## {alert}\n\n*{rule['labels']['severity']}.*" in runbook
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{alert.lower()}"


def test_the_dashboard_is_the_one_that_the_script_writes() -> None:
    """Edit the script, not the file."""
    assert make_dashboard.FILE.read_text() == make_dashboard.text()


def test_no_two_panels_lie_on_each_other() -> None:
    """Grafana would move one of them, and not say so."""
    taken = [
        (x, y)
        for panel in make_dashboard.dashboard()["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert {x for x, _ in taken} == set(range(24))
