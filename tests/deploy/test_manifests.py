"""The Kubernetes manifests and the compose file are valid, careful, and agree with the service."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.monitoring import exposition
from service.settings import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
ROOT = DEPLOY.parent
MANIFESTS = {
    f"{document['kind']}/{document['metadata']['name']}": document
    for document in yaml.safe_load_all((DEPLOY / "kubernetes" / "cpu" / "saliserve.yaml").read_text())
}
GPU = yaml.safe_load((DEPLOY / "kubernetes" / "gpu" / "patch.yaml").read_text())
TRACES = {
    patch["kind"]: patch
    for name in ("deployment.yaml", "networkpolicy.yaml")
    for patch in [yaml.safe_load((DEPLOY / "kubernetes" / "traces" / name).read_text())]
}
TRACING = TRACES["Deployment"]["spec"]["template"]["spec"]["containers"][0]
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
POD = MANIFESTS["Deployment/saliserve"]["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]


@pytest.mark.parametrize("name", MANIFESTS)
def test_every_manifest_fits_kubernetes_own_schema(name: str) -> None:
    """Strictly: an unknown field, such as one indented wrongly, is ignored by clusters without a word."""
    kubernetes_validate.validate(MANIFESTS[name], "1.33", strict=True)


def test_a_fault_would_be_found() -> None:
    """The check above is worth something."""
    broken = {**MANIFESTS["Service/saliserve"], "spec": {"prots": []}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.33", strict=True)


def test_the_gpu_variant_patches_what_there_is() -> None:
    """Containers are matched by name; one of another name would be added instead."""
    (patched,) = GPU["spec"]["template"]["spec"]["containers"]

    assert (GPU["kind"], GPU["metadata"]["name"]) == ("Deployment", "saliserve")
    assert patched["name"] == CONTAINER["name"]
    assert patched["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_all_parts_mean_the_same_pods() -> None:
    """Labels are only text to Kubernetes; one that differs selects nothing."""
    labels = {"app.kubernetes.io/name": "saliserve"}
    monitor = yaml.safe_load((DEPLOY / "kubernetes" / "podmonitor.yaml").read_text())

    assert MANIFESTS["Deployment/saliserve"]["spec"]["template"]["metadata"]["labels"] == labels
    assert MANIFESTS["Service/saliserve"]["spec"]["selector"] == labels
    assert MANIFESTS["NetworkPolicy/saliserve"]["spec"]["podSelector"]["matchLabels"] == labels
    assert MANIFESTS["PodDisruptionBudget/saliserve"]["spec"]["selector"]["matchLabels"] == labels
    assert monitor["spec"]["selector"]["matchLabels"] == labels
    assert [endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]] == ["http"]


def test_the_container_may_do_nothing_that_it_need_not() -> None:
    """No root, nothing to write but /tmp, no capability, no token of the cluster."""
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["runAsUser"] == 10001
    assert "USER 10001" in (ROOT / "Dockerfile").read_text()
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [mount["mountPath"] for mount in CONTAINER["volumeMounts"]] == ["/tmp"]  # noqa: S108 - the container's
    assert POD["automountServiceAccountToken"] is False
    assert COMPOSE["services"]["saliserve"]["read_only"] is True


def test_the_autoscaler_s_metric_is_one_that_the_service_has() -> None:
    """From the scheduler's gauge through the adapter's rule to the autoscaler, by its name alone."""
    (metric,) = MANIFESTS["HorizontalPodAutoscaler/saliserve"]["spec"]["metrics"]
    (rule,) = yaml.safe_load((DEPLOY / "prometheus" / "adapter.yml").read_text())["rules"]
    name = metric["pods"]["metric"]["name"]

    assert name == rule["name"]["as"] == rule["seriesQuery"].partition("{")[0]
    assert f"# TYPE {name} gauge" in exposition().decode()
    assert set(rule["resources"]["overrides"]) == {"namespace", "pod"}


def test_kubernetes_sets_no_variable_that_would_stop_the_start() -> None:
    """For a Service named saliserve it sets SALISERVE_PORT and more, which are unknown settings."""
    assert POD["enableServiceLinks"] is False


def test_traces_can_leave_the_pod_and_nothing_else_can() -> None:
    """Settings without the way out would be silence."""
    address = next(
        one["value"] for one in TRACING["env"] if one["name"] == "SALISERVE_TRACES_ENDPOINT"
    ).partition("//")[2]
    _, namespace = address.partition(":")[0].split(".")
    collector, dns = TRACES["NetworkPolicy"]["spec"]["egress"]

    assert MANIFESTS["NetworkPolicy/saliserve"]["spec"]["egress"] == []
    for kind, patch in TRACES.items():
        assert f"{kind}/{patch['metadata']['name']}" in MANIFESTS
    assert TRACING["name"] == CONTAINER["name"]
    assert collector["to"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    ]
    assert [port["port"] for port in collector["ports"]] == [int(address.partition(":")[2].partition("/")[0])]
    assert {port["port"] for port in dns["ports"]} == {53}
    policy = MANIFESTS["NetworkPolicy/saliserve"]
    merged = {**policy, "spec": {**policy["spec"], **TRACES["NetworkPolicy"]["spec"]}}
    kubernetes_validate.validate(merged, "1.33", strict=True)


def test_compose_sends_traces_to_a_service_that_it_starts() -> None:
    """By its name there."""
    traces = yaml.safe_load((DEPLOY / "compose.traces.yaml").read_text())["services"]
    given = traces["saliserve"]["environment"]

    assert given["SALISERVE_TRACES_ENDPOINT"].split("/")[2].partition(":")[0] in traces
    Settings.model_validate_strings(
        {name.removeprefix("SALISERVE_").lower(): value for name, value in given.items()}
    )


@pytest.mark.parametrize("container", [CONTAINER, TRACING, GPU["spec"]["template"]["spec"]["containers"][0]])
def test_the_settings_exist_and_are_accepted(container: dict[str, Any]) -> None:
    """A wrong one would stop the start."""
    given = {one["name"].removeprefix("SALISERVE_").lower(): one["value"] for one in container["env"]}

    assert given.keys() <= Settings.model_fields.keys()
    Settings.model_validate_strings(given)


def seconds(text: str) -> float:
    return float(re.fullmatch(r"(\d+)s", text)[1])  # type: ignore[index]


def test_requests_under_way_outlive_a_stop() -> None:
    """SIGKILL comes after the longest request and the drain before it."""
    settings = Settings()
    drain_ms = next(float(one["value"]) for one in CONTAINER["env"] if one["name"] == "SALISERVE_DRAIN_MS")

    assert POD["terminationGracePeriodSeconds"] * 1e3 > settings.max_request_ms + drain_ms
    assert seconds(COMPOSE["services"]["saliserve"]["stop_grace_period"]) * 1e3 > settings.max_request_ms
    probe = CONTAINER["readinessProbe"]
    assert drain_ms >= 2e3 * probe["periodSeconds"] * probe["failureThreshold"]


def test_what_compose_mounts_is_there() -> None:
    """Docker makes an empty folder of a file that is not."""
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", ()):
            assert (DEPLOY / volume.partition(":")[0]).exists()
    assert yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"][0][
        "static_configs"
    ] == [{"targets": ["saliserve:3000"]}]
