"""The card says what the manifest says, in words, and nothing else."""

from pathlib import Path

import pytest

from service.bundle.card import card_of
from service.bundle.certificate import Certificate, Check, PictureSet, Stage
from service.bundle.evidence import (
    BaselineAudit,
    ErrorSummary,
    Evaluation,
    FrameworkParity,
    RobustAccuracy,
)
from service.bundle.manifest import GraphAvailability, Manifest, Provenance, read_manifest
from service.imaging.resize import Pad, ResizePolicy, Stretch

STAGE = Stage(layers=3, lowest="w1", rank_correlation=0, signed_rank_correlation=0, structural_similarity=0)
CERTIFICATE = Certificate(
    protocol="certificate 1",
    files_sha256="0" * 64,
    seed=0,
    parameters={},
    pictures=PictureSet(count=9, sha256="0" * 64),
    verdict="pass",
    reason="mprt passed.",
    checks={
        "mprt": Check(verdict="pass", value=0.1, threshold=0.5, count=9, definition="rank correlation"),
        "random_logit": Check(
            verdict="not applicable", value=None, threshold=0.9, count=0, definition="rank correlation"
        ),
    },
    cascade=(STAGE,),
    floor=STAGE,
    forwards=99,
)


@pytest.fixture
def manifest(built: Path) -> Manifest:
    return read_manifest(built / "manifest.json")


def test_the_card_names_the_model_its_terms_and_its_classes(manifest: Manifest) -> None:
    card = card_of(manifest)

    assert card.startswith("# small 1\n")
    assert "Task: single_label, 5 classes: red, green, blue, grey, other" in card
    assert "Weights: made up for tests" in card
    assert "Licence: Apache-2.0" in card
    assert "Built: 2024-05-17" in card


def test_the_card_lists_every_file_with_its_digest(manifest: Manifest) -> None:
    card = card_of(manifest)

    for name, entry in manifest.files.items():
        assert f"| {name} | {entry.bytes} | `{entry.sha256}` |" in card


def test_the_card_says_why_gradients_are_off(manifest: Manifest) -> None:
    reason = "operator Det (node 'd'): no derivative rule"
    off = manifest.model_copy(update={"gradient": GraphAvailability(available=False, reason=reason)})

    assert f"Gradients with respect to the image: off. {reason}" in card_of(off)


def test_the_card_shows_what_was_measured(manifest: Manifest) -> None:
    """Every kind of evidence at once, each figure as it was given."""
    few = ErrorSummary(median=1e-6, largest=3e-6, count=8)
    framework = FrameworkParity(
        framework="PyTorch 2.14.1", logits=few, own_logits=few, gradient=few, own_gradient=few
    )
    full = manifest.model_copy(
        update={
            "parity": manifest.parity.model_copy(update={"framework": framework}),
            "provenance": Provenance(
                arm="scaat", data="cells, train", code_version="abc123", hyper_parameters={"epochs": 30}
            ),
            "evaluation": Evaluation(
                data="cells, validation",
                images=200,
                accuracy=0.913,
                top_5_accuracy=0.99,
                expected_calibration_error=0.02,
                robust_accuracy=(RobustAccuracy(attack="PGD-20", epsilon=4 / 255, accuracy=0.5),),
            ),
            "certificates": {"grad_cam": CERTIFICATE},
            "baselines": {
                "black": BaselineAudit(
                    neutral=False, predicted_class=3, largest_probability=0.61, entropy_share=0.4
                )
            },
        }
    )

    card = card_of(full)

    for line in (
        "| gradient, relative L2 | PyTorch 2.14.1, float64 | 1.0e-06 | 3.0e-06 | 8 |",
        "- Arm: scaat; data: cells, train; seed: not recorded; code: abc123",
        "- epochs: 30",
        "- Accuracy: 91.30%",
        "- Label among the top five: 99.00%",
        "- Accuracy under PGD-20, epsilon 0.01569: 50.00%",
        "| grad_cam | pass | pass (0.10) | - | not applicable | - |",
        "- black: not neutral, 61.00% grey",
    ):
        assert line in card.splitlines()


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (Stretch(interpolation="nearest"), "a picture is stretched to it, nearest"),
        (Pad(fill=(1, 2, 3)), "padded with RGB (1, 2, 3), bicubic"),
    ],
)
def test_the_card_says_how_pictures_are_resized(manifest: Manifest, policy: ResizePolicy, words: str) -> None:
    specification = manifest.input.model_copy(update={"resize": policy})

    assert words in card_of(manifest.model_copy(update={"input": specification}))


def test_a_thousand_classes_are_counted_not_listed(manifest: Manifest) -> None:
    many = manifest.model_copy(update={"classes": tuple(f"class {i}" for i in range(1000))})

    card = card_of(many)

    assert "1000 classes\n" in card
    assert "class 17" not in card
