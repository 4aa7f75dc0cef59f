"""A bundle's derivative is written anew; what is known of its classifier stays."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from service.bundle.__main__ import main
from service.bundle.certificate import Certificate, Check, PictureSet, Stage
from service.bundle.load import load_bundle
from service.bundle.manifest import read_manifest
from service.bundle.rebuild import rebuild_bundle
from service.errors import DigestError, GraphError
from service.graphs.read import read_model

UNTOUCHED = ("classify.onnx", "weights.bin")


def test_a_rebuilt_bundle_is_the_one_that_was_built(bundle: Path) -> None:
    """The same rules on the same classifier: every byte of every file, manifest and card included."""
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}

    rebuild_bundle(bundle, directions=1)

    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before


def test_an_outdated_derivative_is_replaced(bundle: Path, rewrite: Callable[..., Path]) -> None:
    """A bundle of an older version: here one whose gradient could not be written, so it holds no such file."""
    content = json.loads((bundle / "manifest.json").read_text())
    fresh = content["files"].pop("gradient.onnx")
    (bundle / "gradient.onnx").unlink()
    rewrite(
        files=content["files"], gradient={"available": False, "reason": "no rule for Conv"}, evaluation=None
    )
    kept = {name: (bundle / name).read_bytes() for name in UNTOUCHED}

    rebuilt = rebuild_bundle(bundle, directions=0)

    assert rebuilt.manifest.gradient.available
    assert rebuilt.manifest.files["gradient.onnx"].sha256 == fresh["sha256"]
    assert rebuilt.manifest.parity.why_unchecked == "switched off"
    assert {name: (bundle / name).read_bytes() for name in UNTOUCHED} == kept


def test_what_the_old_derivative_was_measured_with_is_not_claimed_of_the_new_one(
    bundle: Path, rewrite: Callable[..., Path]
) -> None:
    """Certificates and the framework's verdict on the gradient go; its verdict on the logits stays."""
    figures = {"median": 1e-6, "largest": 2e-6, "count": 3}
    stage = Stage(
        layers=1, lowest="w", rank_correlation=0, signed_rank_correlation=0, structural_similarity=0
    )
    certificate = Certificate(
        protocol="certificate 1",
        files_sha256=read_manifest(bundle / "manifest.json").files_sha256,
        seed=0,
        parameters={},
        pictures=PictureSet(count=9, sha256="0" * 64),
        verdict="pass",
        reason="mprt passed.",
        checks={"mprt": Check(verdict="pass", value=0.1, threshold=0.5, count=9, definition="correlation")},
        cascade=(stage,),
        floor=stage,
        forwards=99,
    )
    names = ("logits", "own_logits", "gradient", "own_gradient")
    rewrite(
        certificates={"gradient": certificate.model_dump(mode="json")},
        parity__framework={"framework": "PyTorch 2", **dict.fromkeys(names, figures)},
    )
    assert load_bundle(bundle).manifest.certificates

    manifest = rebuild_bundle(bundle, directions=0).manifest

    assert manifest.certificates == {}
    assert manifest.parity.framework is not None
    assert manifest.parity.framework.logits.count == 3
    assert manifest.parity.framework.gradient is None


def test_a_feature_layer_that_its_author_named_stays(bundle: Path) -> None:
    """The search may find another one, and maps would then not be comparable with yesterday's."""
    chosen = next(
        node.output[0]
        for node in read_model(bundle / "classify.onnx").graph.node
        if node.op_type == "Relu" and node.output[0] != read_manifest(bundle / "manifest.json").features.layer
    )
    path = bundle / "manifest.json"
    content = json.loads(path.read_text())
    content["features"]["layer"] = chosen
    path.write_text(json.dumps(content))

    assert rebuild_bundle(bundle, directions=0).manifest.features.layer == chosen


def test_a_damaged_bundle_is_refused_and_left_alone(bundle: Path) -> None:
    (bundle / "weights.bin").write_bytes(b"")
    with pytest.raises(DigestError):
        rebuild_bundle(bundle)
    assert (bundle / "gradient.onnx").is_file()


def test_the_command_rebuilds(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rebuild", str(bundle), "--directions", "0"]) == 0
    assert load_bundle(bundle).sha256 in capsys.readouterr().out


def test_an_extra_graph_is_added_on_request_and_stays(bundle: Path) -> None:
    """Guided backpropagation costs a session's memory for a map that says little: nobody gets it unasked."""
    assert main(["rebuild", str(bundle), "--directions", "0", "--extra", "guided"]) == 0
    first = load_bundle(bundle)
    assert "guided.onnx" in first.manifest.files

    assert rebuild_bundle(bundle, directions=0).sha256 == first.sha256


def test_an_extra_graph_that_the_model_does_not_allow_is_refused(bundle: Path) -> None:
    """It was asked for by name, so the bundle does not quietly come without it."""
    before = (bundle / "manifest.json").read_bytes()
    with pytest.raises(GraphError, match="no attention matrix"):
        rebuild_bundle(bundle, extras=["attention"], directions=0)
    assert (bundle / "manifest.json").read_bytes() == before
