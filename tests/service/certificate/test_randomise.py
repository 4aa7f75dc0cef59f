"""Fresh weights have the distribution that is stated, and only where they should be."""

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

from service.certificate.parameters import Layer, layers_from_top
from service.certificate.randomise import randomised
from service.certificate.variants import stage_sizes
from tests.service.certificate.conftest import from_text


def values(model: ModelProto) -> dict[str, NDArray[np.float32]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@pytest.fixture
def model() -> ModelProto:
    made = from_text(
        """net (float[N,3,8,8] image) => (float[N,7] logits) {
          a = Conv (image, first, bias)
          n = BatchNormalization (a, scale, shift, running_mean, running_variance)
          r = Relu (n)
          b = Conv (r, second)
          e = Mul (b, gain)
          p = GlobalAveragePool (e)
          f = Flatten (p)
          logits = Gemm <transB: int = 1> (f, head)
        }"""
    )
    shapes = {"first": (64, 3, 3, 3), "bias": (64,), "scale": (64,), "shift": (64,), "running_mean": (64,)}
    shapes |= {"running_variance": (64,), "second": (32, 64, 3, 3), "gain": (1, 32, 1, 1), "head": (7, 32)}
    random = np.random.default_rng(0)
    made.graph.initializer.extend(
        numpy_helper.from_array(random.uniform(3, 4, shape).astype(np.float32), name)
        for name, shape in shapes.items()
    )
    return made


def changed(model: ModelProto, count: int, seed: int = 1) -> dict[str, NDArray[np.float32]]:
    return values(randomised(model, layers_from_top(model)[:count], np.random.default_rng(seed)))


def test_weights_have_the_variance_that_keeps_the_power(model: ModelProto) -> None:
    """He's gain of 2 behind a rectifier, 1 elsewhere; 18,432 and 1,728 draws, so 4 deviations are 4 % and 14 %."""
    found = changed(model, 9)

    assert found["second"].var() == pytest.approx(2 / (64 * 9), rel=0.042)
    assert found["first"].var() == pytest.approx(1 / (3 * 9), rel=0.14)
    assert abs(found["second"].mean()) < 4 * np.sqrt(2 / (64 * 9) / found["second"].size)


def test_a_deep_network_of_rectifiers_neither_fades_nor_explodes() -> None:
    """Thirty layers; without the gain the power would halve at each, to 1e-9."""
    lines = " ".join(
        f"c{i} = Conv ({f'r{i - 1}' if i else 'image'}, k{i}) r{i} = Relu (c{i})" for i in range(30)
    )
    made = from_text(
        f"net (float[N,3,4,4] image) => (float[N,64] logits) {{ {lines} m = GlobalAveragePool (c29) logits = Flatten (m) }}"
    )
    made.graph.initializer.extend(
        numpy_helper.from_array(np.zeros((64, 64 if i else 3, 1, 1), np.float32), f"k{i}") for i in range(30)
    )
    random = np.random.default_rng(2)
    fresh = randomised(made, layers_from_top(made), random)
    session = onnxruntime.InferenceSession(fresh.SerializeToString(), providers=["CPUExecutionProvider"])

    [logits] = session.run(None, {"image": random.standard_normal((1, 3, 4, 4)).astype(np.float32)})

    assert 0.01 < np.square(logits).mean() < 100


def test_a_normalisation_rests_and_a_bias_is_zero(model: ModelProto) -> None:
    found = changed(model, 9)

    for name, resting in {
        "scale": 1,
        "shift": 0,
        "running_mean": 0,
        "running_variance": 1,
        "bias": 0,
    }.items():
        assert (found[name] == resting).all()


def test_normalisations_that_share_a_scale_rest_alike() -> None:
    """Exporters store equal tensors once; the shift of the lower one is still a shift."""
    made = from_text(
        """net (float[N,3,8,8] image) => (float[N,3] logits) {
          c = Conv (image, kernel)
          a = InstanceNormalization (c, scale, lower)
          b = InstanceNormalization (a, scale, upper)
          p = GlobalAveragePool (b)
          logits = Flatten (p)
        }"""
    )
    shapes = {"kernel": (3, 3, 1, 1), "scale": (3,), "lower": (3,), "upper": (3,)}
    made.graph.initializer.extend(
        numpy_helper.from_array(np.full(shape, 5, np.float32), name) for name, shape in shapes.items()
    )

    found = changed(made, 3)

    assert {name: set(found[name].tolist()) for name in ("scale", "lower", "upper")} == {
        "scale": {1.0},
        "lower": {0.0},
        "upper": {0.0},
    }


def test_any_other_parameter_keeps_its_values_in_another_order(model: ModelProto) -> None:
    before, after = values(model)["gain"].ravel(), changed(model, 9)["gain"].ravel()

    assert (np.sort(before) == np.sort(after)).all()
    assert (before != after).any()


def test_the_cascade_leaves_lower_layers_alone_and_draws_the_same_above(model: ModelProto) -> None:
    original, one, two = values(model), changed(model, 1), changed(model, 2)

    assert {name for name in original if (original[name] != one[name]).any()} == {"head"}
    assert {name for name in original if (original[name] != two[name]).any()} == {"head", "gain"}
    assert (one["head"] == two["head"]).all()


def test_another_seed_gives_other_weights_and_the_same_seed_the_same(model: ModelProto) -> None:
    assert (changed(model, 1, seed=1)["head"] == changed(model, 1, seed=1)["head"]).all()
    assert (changed(model, 1, seed=1)["head"] != changed(model, 1, seed=2)["head"]).all()


def test_the_model_given_is_not_changed(model: ModelProto) -> None:
    before = model.SerializeToString(deterministic=True)

    randomised(model, layers_from_top(model), np.random.default_rng(0))

    assert model.SerializeToString(deterministic=True) == before
    onnx.checker.check_model(model)


@pytest.mark.parametrize(("layers", "stages"), [(1, 2), (2, 6), (9, 6), (50, 6), (200, 8)])
def test_stages_rise_from_one_layer_to_all(layers: int, stages: int) -> None:
    sizes = stage_sizes(layers, stages)

    assert sizes[0] == 1
    assert sizes[-1] == layers
    assert list(sizes) == sorted(set(sizes))
    assert len(sizes) <= max(stages, 2)


def test_a_layer_is_counted_in_the_units_of_its_operator() -> None:
    assert Layer("Gemm", ("w",)).groups == 1
