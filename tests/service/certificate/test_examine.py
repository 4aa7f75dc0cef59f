"""Methods whose outcome is known beforehand: exact gradients, an edge detector, guided backpropagation."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import scipy.stats
from onnx import ModelProto, TensorProto, numpy_helper

from service.arrays import Image
from service.bundle.certificate import Certificate
from service.bundle.digest import describe as describe_file
from service.bundle.graphs import Graphs
from service.bundle.load import Bundle
from service.certificate.certify import predicted
from service.certificate.examine import Study, examine
from service.certificate.mosaic import bounds, composites
from service.certificate.pictures import describe
from service.certificate.variants import Differentiate, derived, variants
from service.explain.explanation import Explanation
from service.explain.gradient import METHOD as GRADIENT
from service.explain.input_x_gradient import METHOD as INPUT_X_GRADIENT
from service.explain.method import Method, Parameters
from service.explain.subject import Subject
from service.faithfulness.controls import edges
from service.graphs.programs import parse
from service.graphs.read import read_model
from service.runtime.plan import Direction, MicroBatch, Plan
from tests.service.certificate.conftest import CLASSES, SIDE, bundle_of
from tests.tiny import DEVICE, linear_model

SEED = 5


class NoOptions(Parameters):
    pass


def method(name: str, plan: object) -> Method:
    return Method(name, "for tests", NoOptions, Direction.FORWARD, lambda *_: 1, plan)


def certified(
    method: Method, bundle: Bundle, images: Sequence[Image], differentiated: Differentiate = derived
) -> Certificate:
    with variants(bundle, DEVICE, stages=4, seed=SEED, differentiated=differentiated) as made:
        classes = tuple(predicted(made.trained, image) for image in images)
        planted, tried = composites(
            made.trained, images, classes, count=12, random=np.random.default_rng(SEED)
        )
        study = Study(made, tuple(images), classes, planted, tried, describe([b"1", b"2"]), SEED)
        return examine(method, method.parameters(), study, files_sha256="0" * 64)


def test_the_gradient_of_a_linear_model_is_new_after_randomisation(
    linear: Bundle, images: Sequence[Image]
) -> None:
    """Independent weights rank the pixels independently: Spearman's correlation has mean 0, deviation 1 / SIDE."""
    found = certified(GRADIENT, linear, images)

    chance = 4 / SIDE
    assert found.checks["mprt"].verdict == "pass"
    assert found.checks["random_logit"].verdict == "pass"
    for value in (found.checks["mprt"].value, found.checks["mprt"].floor, found.checks["random_logit"].value):
        assert abs(value or 0.0) < chance


def test_the_gradient_of_a_linear_model_does_not_see_what_was_planted(
    linear: Bundle, images: Sequence[Image]
) -> None:
    """It is the same map for every picture, so it cannot know in which quadrant the evidence is."""
    found = certified(GRADIENT, linear, images)

    planted = found.checks["planted_evidence"]
    assert planted.verdict != "pass"
    assert abs(planted.value or 0.0) < 0.02
    assert found.verdict != "pass"


def test_mprt_is_what_a_literal_derivation_in_float64_gives(linear: Bundle, images: Sequence[Image]) -> None:
    """The linear model has one layer, so the cascade has one stage, and fan_in is 3 SIDE^2."""
    found = certified(GRADIENT, linear, images)

    weight = numpy_helper.to_array(_initialiser(read_model(linear.classify), "weight")).astype(np.float64)
    new = np.random.default_rng([SEED, 0]).standard_normal(weight.shape) * np.sqrt(1 / (3 * SIDE**2))
    alike = []
    for image in images:
        target = int(np.argmax(weight @ image.astype(np.float64).ravel()))
        before, after = (np.abs(w[target].reshape(3, -1)).max(0) for w in (weight, new))
        alike.append(scipy.stats.spearmanr(before, after).statistic)
    assert found.checks["mprt"].value == pytest.approx(np.mean(alike), abs=5e-5)
    assert [stage.layers for stage in found.cascade] == [1]


def _initialiser(model: ModelProto, name: str) -> object:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def test_an_edge_detector_fails_every_check(linear: Bundle, images: Sequence[Image]) -> None:
    """It asks the model nothing, so nothing can change: correlations are 1, and gains exactly 0 or less."""

    def plan(subject: Subject, _: NoOptions) -> Plan[Explanation]:
        yield from ()
        return Explanation(edges(subject.pixels), forwards=1)

    found = certified(method("edges", plan), linear, images)

    assert {name: check.verdict for name, check in found.checks.items()} == dict.fromkeys(
        found.checks, "fail"
    )
    assert (found.checks["mprt"].value, found.checks["mprt"].floor) == (1, 1)
    assert found.checks["efficient_mprt"].value == 0
    assert found.checks["random_logit"].value == 1
    assert found.cascade[-1].structural_similarity == 1
    assert "mprt, efficient_mprt, random_logit, planted_evidence failed" in found.reason


def test_a_map_that_points_where_the_answer_is_passes_the_planted_test(
    linear: Bundle, images: Sequence[Image]
) -> None:
    """Only the quadrant whose removal costs the target most, which is how a composite qualifies."""
    found = certified(method("oracle", _quadrant_of_the_answer), linear, images)

    planted = found.checks["planted_evidence"]
    assert planted.verdict == "pass"
    assert planted.note.startswith("1.00 of the map lies in the planted quadrant")
    # By luck a network that knows nothing finds a quarter of 12 quadrants.
    assert 0 <= (planted.floor or 0) <= 0.75


def _quadrant_of_the_answer(subject: Subject, _: NoOptions) -> Plan[Explanation]:
    emptied = []
    for quadrant in range(4):
        image = subject.pixels.copy()
        rows, columns = bounds(quadrant, SIDE, SIDE)
        image[:, rows, columns] = subject.pixels.mean(axis=(1, 2))[:, None, None]
        emptied.append(image)
    answer = yield MicroBatch(subject.model.device.upload(np.stack(emptied)), 4)
    saliency = np.zeros((SIDE, SIDE), np.float32)
    saliency[bounds(int(np.argmin(answer["logits"].numpy()[:, subject.target])), SIDE, SIDE)] = 1
    return Explanation(saliency, forwards=4)


def test_a_constant_map_is_left_out_and_never_passes(linear: Bundle, images: Sequence[Image]) -> None:
    def plan(subject: Subject, _: NoOptions) -> Plan[Explanation]:
        yield from ()
        return Explanation(np.ones(subject.pixels.shape[1:], np.float32), forwards=1)

    found = certified(method("constant", plan), linear, images)

    assert found.checks["mprt"].verdict == "inconclusive"
    assert found.checks["mprt"].value is None
    assert found.checks["mprt"].note.startswith("12 of 12 maps are the same everywhere")
    assert found.verdict == "fail"


def test_opposite_maps_of_two_classes_differ_and_a_magnitude_cannot_be_asked(
    tmp_path: Path, images: Sequence[Image]
) -> None:
    """Logits ``W x`` and ``-W x``: signed maps are each other's negative, magnitudes the same, both rightly."""
    weight = np.random.default_rng(9).standard_normal((1, 3, SIDE, SIDE)).astype(np.float32)
    model = linear_model(np.concatenate([weight, -weight]), np.zeros(2, np.float32))
    bundle = bundle_of(model, tmp_path, "two")

    signed = certified(INPUT_X_GRADIENT, bundle, images[:6]).checks["random_logit"]
    magnitude = certified(GRADIENT, bundle, images[:6]).checks["random_logit"]

    assert (signed.verdict, signed.value) == ("pass", -1)
    assert (magnitude.verdict, magnitude.value) == ("not applicable", None)
    assert magnitude.note == "there are two classes and the map has no sign"


LAYERS = 5
CHANNELS = 48
FORWARD = " ".join(
    f"c{layer} = Conv <pads: ints = [1, 1, 1, 1]> ({f'r{layer - 1}' if layer else 'image'}, k{layer}) "
    f"r{layer} = Relu (c{layer})"
    for layer in range(LAYERS)
)
LOGITS = f"""pooled = GlobalAveragePool (r{LAYERS - 1}) flat = Flatten <axis: int = 1> (pooled)
             logits = Gemm <transB: int = 1> (flat, head)"""
SHAPES = {
    **{f"k{layer}": (CHANNELS, CHANNELS if layer else 3, 3, 3) for layer in range(LAYERS)},
    "head": (CLASSES, CHANNELS),
}
WEIGHTS = ", ".join(f"float[{','.join(map(str, shape))}] {name}" for name, shape in SHAPES.items())


def with_weights(model: ModelProto, weights: Mapping[str, TensorProto]) -> ModelProto:
    """Turn inputs into initialisers."""
    kept = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    model.graph.initializer.extend(weights[name] for name in SHAPES)
    return model


def network() -> ModelProto:
    """Convolutions and rectifiers, then the mean over space and a matrix."""
    random = np.random.default_rng(8)
    model = parse(
        f"network (float[N,3,{SIDE},{SIDE}] image, {WEIGHTS}) => (float[N,{CLASSES}] logits) "
        f"{{ {FORWARD} {LOGITS} }}"
    )
    drawn = {
        name: random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        for name, shape in SHAPES.items()
    }
    return with_weights(
        model, {name: numpy_helper.from_array(one.astype(np.float32), name) for name, one in drawn.items()}
    )


def guided_backpropagation(classifier: ModelProto, layer: str | None) -> Graphs:
    """Write the derivative in which every rectifier passes positive gradients only.

    Springenberg et al. "Striving for Simplicity", 2014, section 3.4. https://arxiv.org/abs/1412.6806
    """
    top = LAYERS - 1
    backward = [f"g{top} = Mul (start, one)"]
    backward += [
        f"p{at} = Relu (g{at}) s{at} = Sign (r{at}) t{at} = Mul (p{at}, s{at}) "
        f"g{at - 1 if at else 'radient'} = ConvTranspose <pads: ints = [1, 1, 1, 1]> (t{at}, k{at})"
        for at in reversed(range(LAYERS))
    ]
    model = parse(
        f"guided (float[N,3,{SIDE},{SIDE}] image, float[N,{CLASSES}] cotangent, {WEIGHTS}) "
        f"=> (float[N,{CLASSES}] logits, float[N,3,{SIDE},{SIDE}] gradient) "
        f"{{ {FORWARD} {LOGITS} one = Constant <value_float: float = 1.0> () "
        "places = Constant <value_ints: ints = [2, 3]> () "
        "weighted = Gemm (cotangent, head) start = Unsqueeze (weighted, places) "
        f"{' '.join(backward)} }}"
    )
    weights = {tensor.name: tensor for tensor in classifier.graph.initializer}
    return replace(derived(classifier, layer), gradient=with_weights(model, weights))


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return bundle_of(network(), tmp_path_factory.mktemp("deep"), "deep")


@pytest.fixture(scope="module")
def guided(deep: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The same network with guided backpropagation in the place of its gradient."""
    folder = tmp_path_factory.mktemp("guided") / "1"
    shutil.copytree(deep.folder, folder)
    graphs = guided_backpropagation(read_model(deep.classify), None)
    onnx.save(graphs.by_file["gradient.onnx"], folder / "gradient.onnx")
    files = {**deep.manifest.files, "gradient.onnx": describe_file(folder / "gradient.onnx")}
    return replace(deep, folder=folder, manifest=deep.manifest.model_copy(update={"files": files}))


def test_guided_backpropagation_fails_where_the_gradient_passes(
    deep: Bundle, guided: Bundle, images: Sequence[Image]
) -> None:
    """It hardly depends on the weights or the class (Nie et al. 2018; Adebayo et al. 2018)."""
    plain = certified(GRADIENT, deep, images[:6])
    found = certified(GRADIENT, guided, images[:6], guided_backpropagation)

    assert plain.checks["mprt"].verdict == "pass"
    assert found.checks["mprt"].verdict == "fail"
    assert [stage.layers for stage in found.cascade] == [1, 2, 3, 6]
    stages = [stage.rank_correlation for stage in found.cascade]
    assert found.checks["mprt"].value == pytest.approx(np.mean(stages), abs=2e-4)
    assert found.verdict == "fail"
    assert (plain.checks["random_logit"].value or 0) < 0.3
    assert (found.checks["random_logit"].value or 0) > 0.6
