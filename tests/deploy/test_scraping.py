"""A real Prometheus scrapes the real service, and every rule and query is understood by it."""

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from saliserve_client import Client

from tests.deploy.test_rules import PROMETHEUS, dashboard_queries, rules
from tests.server import LONGEST_S, Server, free_port, until
from tests.service.http.conftest import models, picture_file

__all__ = ["models"]

BINARY = shutil.which("prometheus")

pytestmark = pytest.mark.skipif(
    BINARY is None, reason="prometheus is not installed; on Debian: apt-get install prometheus"
)

# A scrape may not last longer than its interval, and on a busy machine it does last.
CONFIGURATION = """
global: {{scrape_interval: 5s, scrape_timeout: 5s, evaluation_interval: 500ms}}
rule_files: [{rules}/recording.yml, {rules}/alerts.yml]
scrape_configs:
  - job_name: saliserve
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


class Prometheus:
    """Speaks to one."""

    def __init__(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"

    def get(self, path: str, **query: str) -> Any:
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=LONGEST_S) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return result

    def wait_for(self, expression: str) -> list[dict[str, Any]]:
        """Ask until there is something; recording rules are evaluated every 30 s, and need two scrapes."""
        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            with suppress(OSError):  # not up yet
                found[:] = self.query(expression)
            return bool(found)

        until(is_there, f"a value of {expression}")
        return found


@pytest.fixture(scope="module")
def prometheus(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One that scrapes a service which has answered a few requests."""
    folder = tmp_path_factory.mktemp("scraping")
    server, port = Server(folder, models=models, threads=1), free_port()
    (folder / "prometheus.yml").write_text(CONFIGURATION.format(rules=PROMETHEUS, port=server.port))
    server.start()
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(BINARY),
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        with Client(server.url) as client:
            client.predict(picture_file())
            client.explain(picture_file(), method="integrated_gradients")
        yield Prometheus(port)
    finally:
        process.terminate()
        process.wait(LONGEST_S)
        server.kill()


def test_our_series_arrive(prometheus: Prometheus) -> None:
    """Through BentoML's supervision and the files of its worker."""
    (predictions,) = prometheus.wait_for('saliserve_requests_total{route="/v1/predict", status="200"}')

    assert predictions["value"][1] == "1"
    assert predictions["metric"]["model"] == "colours"
    assert predictions["metric"]["job"] == "saliserve"
    assert prometheus.wait_for('up{job="saliserve"} == 1')
    assert prometheus.wait_for('saliserve_model_info{model="colours", provider="CPUExecutionProvider"} == 1')


def test_every_rule_is_evaluated_without_a_fault(prometheus: Prometheus) -> None:
    """Some faults, such as many-to-many matching, appear with real series only."""
    prometheus.wait_for("route:saliserve_requests:rate5m")

    found = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert len(found) == len(rules())
    assert {rule["name"]: rule.get("lastError", "") for rule in found if rule.get("lastError")} == {}
    assert [rule["name"] for rule in found if rule.get("state") == "firing"] == []


@pytest.mark.parametrize("query", dashboard_queries())
def test_every_query_of_the_dashboard_is_understood(prometheus: Prometheus, query: str) -> None:
    """With Grafana's variables filled in as it fills them in."""
    for variable, value in (("$job", ".*"), ("$model", ".*"), ("$__rate_interval", "1m")):
        query = query.replace(variable, value)
    prometheus.query(query)
