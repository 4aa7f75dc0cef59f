"""Attention relevance from a file that somebody brings to a map."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import torch
from torch.nn import functional

from service.bundle.build import Oracles, build_bundle
from service.bundle.recipe import Recipe
from service.explain.methods import METHODS
from service.explain.subject import Subject
from service.graphs.attention import attention_graph
from service.runtime.drive import drive
from service.runtime.model import LoadedModel
from service.runtime.plan import Direction
from tests.autograd import evaluate_single
from tests.tiny import DEVICE, PROGRAMS
from tests.transformers import CLASSES, SIDE, exported, transformer

TARGET, CONTRAST = 3, 1


def test_a_bundle_built_for_it_gives_its_map(tmp_path: Path) -> None:
    """For a class and against another: the graph's relevance at that cotangent, enlarged as PyTorch enlarges."""
    classifier = exported(transformer())
    onnx.save(classifier, tmp_path / "brought.onnx")
    recipe = Recipe(
        name="vit",
        version="1",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        classes=tuple("abcde"[:CLASSES]),
        origin="made up for tests",
        extras=("attention",),
    )
    bundle = build_bundle(
        tmp_path / "brought.onnx", recipe, tmp_path / "models", oracles=Oracles(directions=0)
    )
    model = LoadedModel(bundle, DEVICE, PROGRAMS)
    pixels = np.random.default_rng(0).random((3, SIDE, SIDE), dtype=np.float32)
    subject = Subject.of(model, pixels, target=TARGET, contrast=CONTRAST)
    method = METHODS["attention_relevance"]

    found = drive(method.plan(subject, method.parameters()), model)

    _, relevance = evaluate_single(
        attention_graph(classifier), {"image": pixels[None], "cotangent": subject.cotangents(1)}
    )
    expected = functional.interpolate(
        torch.from_numpy(np.asarray(relevance)).double(), size=(SIDE, SIDE), mode="bilinear"
    )
    largest = float(expected.max())
    np.testing.assert_allclose(found.map, expected[0, 0].numpy(), rtol=0, atol=1e-5 * largest)
    assert largest > 0
    assert "rebuild --extra guided" in model.why_not(Direction.GUIDED)
