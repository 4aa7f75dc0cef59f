"""The manifest accepts what it defines and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.bundle.manifest import Manifest, check_classes, parse_manifest, read_manifest
from service.errors import ManifestError


@pytest.fixture
def fields(built: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((built / "manifest.json").read_text())
    return content


def parse(fields: object) -> Manifest:
    return parse_manifest(json.dumps(fields).encode(), where="manifest.json")


def test_a_manifest_survives_reading_and_writing(built: Path) -> None:
    text = (built / "manifest.json").read_bytes()

    assert parse_manifest(text, where="m").to_json().encode() == text


def test_every_field_says_what_it_is() -> None:
    """The schema is the documentation: names in full, units stated."""
    schema = Manifest.model_json_schema()
    parts = {"Manifest": schema, **schema["$defs"]}

    undescribed = [
        f"{part}.{name}"
        for part, definition in parts.items()
        for name, field in definition.get("properties", {}).items()
        if "description" not in field and name != "kind"
    ]

    assert undescribed == []


@pytest.mark.parametrize("version", [3, 0, "1", None, True, 1.5])
def test_another_format_version_is_refused_by_name(fields: dict[str, Any], version: object) -> None:
    """A later format may mean other things by the same fields, so it is never read on a guess."""
    fields["format_version"] = version

    with pytest.raises(ManifestError, match=r"has format_version .*; this service reads 1, 2"):
        parse(fields)


def test_a_manifest_of_the_future_is_refused_for_its_version_alone() -> None:
    """Its other fields are unknown by definition; complaining about those would mislead."""
    with pytest.raises(ManifestError, match="format_version 3") as caught:
        parse({"format_version": 3, "graphs": []})

    assert "graphs" not in caught.value.detail


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"not json"])
def test_bytes_that_are_not_json_are_refused(content: bytes) -> None:
    with pytest.raises(ManifestError, match="is not JSON"):
        parse_manifest(content, where="manifest.json")


@pytest.mark.parametrize("content", [[], "text", 3, None])
def test_json_that_is_no_object_is_refused(content: object) -> None:
    with pytest.raises(ManifestError, match="expected an object"):
        parse(content)


def test_a_missing_manifest_says_what_a_bundle_is(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="a bundle is a folder with a manifest"):
        read_manifest(tmp_path / "manifest.json")


def test_an_unknown_field_is_refused(fields: dict[str, Any]) -> None:
    """A misspelt field would otherwise be a default that nobody chose."""
    fields["licence"] = "MIT"

    with pytest.raises(ManifestError, match="licence: Extra inputs are not permitted"):
        parse(fields)


@pytest.mark.parametrize("name", ["name", "classes", "input", "files", "source", "parity", "gradient"])
def test_a_missing_field_is_refused(fields: dict[str, Any], name: str) -> None:
    del fields[name]

    with pytest.raises(ManifestError, match=f"{name}: Field required"):
        parse(fields)


@pytest.mark.parametrize(
    "name",
    [
        "../classify.onnx",
        "/etc/passwd",
        "..",
        "folder/classify.onnx",
        "folder\\classify.onnx",
        ".hidden",
        "",
        "a\n",
    ],
)
def test_a_file_outside_the_folder_cannot_be_named(fields: dict[str, Any], name: str) -> None:
    """A bundle from a stranger must not make the service read, digest or map any other file."""
    fields["files"][name] = {"bytes": 1, "sha256": "0" * 64}

    with pytest.raises(ManifestError, match="String should match pattern"):
        parse(fields)


@pytest.mark.parametrize("name", ["../up", "a/b", "Upper", "", ".", "-dash", "x" * 64, "a\n"])
@pytest.mark.parametrize("field", ["name", "version"])
def test_a_name_that_is_no_folder_name_is_refused(fields: dict[str, Any], field: str, name: str) -> None:
    fields[field] = name

    with pytest.raises(ManifestError, match=f"{field}: String should match pattern"):
        parse(fields)


def test_a_file_of_no_known_kind_is_refused(fields: dict[str, Any]) -> None:
    fields["files"]["model.pkl"] = {"bytes": 1, "sha256": "0" * 64}

    with pytest.raises(ManifestError, match=r"files lists \['model.pkl'\]"):
        parse(fields)


@pytest.mark.parametrize("digest", ["0" * 63, "G" * 64, "", None])
def test_a_malformed_digest_is_refused(fields: dict[str, Any], digest: object) -> None:
    fields["files"]["classify.onnx"]["sha256"] = digest

    with pytest.raises(ManifestError, match="sha256"):
        parse(fields)


def test_a_graph_is_listed_exactly_if_it_is_available(fields: dict[str, Any]) -> None:
    """Otherwise a method would be offered that has no graph, or a graph be read that nobody described."""
    del fields["files"]["gradient.onnx"]
    with pytest.raises(ManifestError, match=r"files lacks gradient\.onnx"):
        parse(fields)

    fields["gradient"] = {"available": False, "reason": "no rule"}
    assert not parse(fields).gradient.available


def test_a_missing_graph_needs_a_reason(fields: dict[str, Any]) -> None:
    fields["gradient"] = {"available": False, "reason": ""}

    with pytest.raises(ManifestError, match="either available or has a reason"):
        parse(fields)


def test_a_baseline_cannot_predict_a_class_that_does_not_exist(fields: dict[str, Any]) -> None:
    fields["baselines"] = {
        "black": {"neutral": True, "predicted_class": 5, "largest_probability": 0.2, "entropy_share": 1.0}
    }

    with pytest.raises(ManifestError, match="class 5, which does not exist"):
        parse(fields)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_an_error_figure_is_a_finite_number(fields: dict[str, Any], value: float) -> None:
    fields["parity"]["outputs"]["largest"] = value

    with pytest.raises(ManifestError, match=r"parity\.outputs\.largest"):
        parse(fields)


def test_a_time_without_a_zone_is_refused(fields: dict[str, Any]) -> None:
    fields["created"] = "2024-05-17T00:00:00"

    with pytest.raises(ManifestError, match="created: Input should have timezone info"):
        parse(fields)


def test_the_first_problem_is_told_with_what_was_found(fields: dict[str, Any]) -> None:
    fields["input"]["height"] = 0
    fields["input"]["width"] = -3

    with pytest.raises(
        ManifestError, match=r"input\.height: .*greater than or equal to 1 \(found 0\), and 1 more"
    ):
        parse(fields)


def test_a_manifest_cannot_be_changed(built: Path) -> None:
    """It is shared by all requests."""
    manifest = read_manifest(built / "manifest.json")

    with pytest.raises(ValueError, match="frozen"):
        manifest.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("classes", "task", "problem"),
    [
        (("cat", "dog", "cat"), "single_label", r"repeat \['cat'\]"),
        (("cat", " "), "single_label", "empty label"),
        (("cat",), "single_label", "at least 2 classes; found 1"),
        ((), "multi_label", "at least 1 classes; found 0"),
    ],
)
def test_classes_that_cannot_name_a_target_are_refused(
    classes: tuple[str, ...], task: Any, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        check_classes(classes, task)


def test_one_label_is_enough_where_each_is_decided_on_its_own() -> None:
    check_classes(("defect",), "multi_label")
