"""The chain of graphs that answers one micro-batch."""

import numpy as np
import pytest

from service.graphs.programs import parse
from service.runtime.model import LoadedModel
from service.runtime.plan import MicroBatch, Stage
from service.runtime.program import Program
from tests.tiny import DEVICE, linear_model, load_tiny

WEIGHT = np.random.default_rng(3).standard_normal((2, 3, 4, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_tiny(linear_model(WEIGHT, np.zeros(2, np.float32)), tmp_path_factory.mktemp("linear"))


def compiled(text: str) -> Program:
    return Program(parse(text).SerializeToString(), DEVICE)


def test_every_stage_takes_by_name_what_is_known_by_then(model: LoadedModel):
    """The second reduction needs the mask of the first program and the result of the first reduction."""
    darken = compiled(
        "darken (float[1,C,H,W] image, float mask) => (float[1,C,H,W] images, float kept)"
        "{ images = Mul (image, mask) kept = Identity (mask) }"
    )
    double = compiled("double (float[N,C] logits) => (float[N,C] twice) { twice = Add (logits, logits) }")
    weigh = compiled(
        "weigh (float[N,C] twice, float kept) => (float[N,C] weighted) { weighted = Mul (twice, kept) }"
    )
    image = np.ones((1, 3, 4, 4), np.float32)
    answer = model.run(
        MicroBatch(
            Stage(darken, {"image": image, "mask": np.array(0.5, np.float32)}),
            size=1,
            answer=(Stage(double), Stage(weigh)),
        )
    )
    logits = 0.5 * WEIGHT.astype(float).sum(axis=(1, 2, 3))
    # Sums of 48 products of size about 1.
    np.testing.assert_allclose(answer["weighted"].numpy()[0], logits, atol=48 * np.finfo(np.float32).eps)
    assert set(answer) == {"twice", "weighted"}


def test_without_a_reduction_the_answer_is_the_classifiers(model: LoadedModel):
    answer = model.run(MicroBatch(DEVICE.upload(np.ones((3, 3, 4, 4), np.float32)), size=3))
    assert answer["logits"].numpy().shape == (3, 2)
