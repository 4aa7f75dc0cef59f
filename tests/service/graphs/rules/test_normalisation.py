"""Normalisations against torch.autograd."""

import numpy as np
import pytest
import torch
from onnx import helper
from torch.nn import functional

from tests.autograd import assert_gradient

EPSILON = 2.0**-10
"""Representable in float32, so that the graph and PyTorch add the same."""


def exact(value: np.ndarray) -> torch.Tensor:
    return torch.tensor(value.astype(np.float32).astype(np.float64))


@pytest.mark.parametrize("shape", [(3,), (3, 4), (3, 4, 5)])
def test_batch_normalisation_is_a_scale_in_inference(shape: tuple[int, ...]) -> None:
    """With statistics that are not 0 and 1."""
    random = np.random.default_rng(0)
    image = random.normal(size=(2, *shape))
    scale, bias, mean = (random.normal(size=3) for _ in range(3))
    variance = random.uniform(0.5, 2.0, size=3)
    assert_gradient(
        helper.make_node(
            "BatchNormalization", ["image", "scale", "bias", "mean", "variance"], ["y"], epsilon=EPSILON
        ),
        image,
        lambda x: functional.batch_norm(
            x, exact(mean), exact(variance), exact(scale), exact(bias), training=False, eps=EPSILON
        ),
        constants={"scale": scale, "bias": bias, "mean": mean, "variance": variance},
    )


@pytest.mark.parametrize(("axis", "normal_shape"), [(-1, (6,)), (3, (6,)), (1, (3, 5, 6)), (-2, (5, 6))])
def test_layer_normalisation_has_pytorchs_gradient(axis: int, normal_shape: tuple[int, ...]) -> None:
    """Over one axis or several, counted from either end."""
    random = np.random.default_rng(0)
    image = random.normal(size=(2, 3, 5, 6))
    scale, bias = random.normal(size=normal_shape), random.normal(size=normal_shape)
    assert_gradient(
        helper.make_node("LayerNormalization", ["image", "scale", "bias"], ["y"], axis=axis, epsilon=EPSILON),
        image,
        lambda x: functional.layer_norm(x, normal_shape, exact(scale), exact(bias), EPSILON),
        constants={"scale": scale, "bias": bias},
    )


@pytest.mark.parametrize("shape", [(3, 7), (3, 4, 5)])
def test_instance_normalisation_has_pytorchs_gradient(shape: tuple[int, ...]) -> None:
    """Also what exporters make of GroupNorm."""
    random = np.random.default_rng(0)
    image = random.normal(size=(2, *shape))
    scale, bias = random.normal(size=3), random.normal(size=3)
    assert_gradient(
        helper.make_node("InstanceNormalization", ["image", "scale", "bias"], ["y"], epsilon=EPSILON),
        image,
        lambda x: functional.instance_norm(x, weight=exact(scale), bias=exact(bias), eps=EPSILON),
        constants={"scale": scale, "bias": bias},
    )


@pytest.mark.parametrize("axis", [1, 2, 3, -1, -3])
def test_softmax_has_pytorchs_gradient(axis: int) -> None:
    """Along any axis, counted from either end."""
    image = np.random.default_rng(0).normal(scale=3.0, size=(2, 3, 4, 5))
    assert_gradient(
        helper.make_node("Softmax", ["image"], ["y"], axis=axis), image, lambda x: x.softmax(axis)
    )
    assert_gradient(
        helper.make_node("LogSoftmax", ["image"], ["y"], axis=axis), image, lambda x: x.log_softmax(axis)
    )


@pytest.mark.parametrize("axis", [1, 2, -1, -3])
@pytest.mark.parametrize("order", [1, 2])
def test_dividing_by_the_norm_has_pytorchs_gradient(order: int, axis: int) -> None:
    """Of embeddings, by either norm, along any axis."""
    assert_gradient(
        helper.make_node("LpNormalization", ["image"], ["y"], p=order, axis=axis),
        np.random.default_rng(0).normal(size=(2, 3, 4, 5)),
        lambda x: x / torch.linalg.vector_norm(x, order, axis, keepdim=True),
    )


@pytest.mark.parametrize("order", [1, 2])
def test_dividing_zeros_by_their_norm_has_gradient_zero(order: int) -> None:
    """The result is defined to be 0 there, in which a quotient 0 / 0 would be NaN."""

    def divided(x: torch.Tensor) -> torch.Tensor:
        norm = torch.linalg.vector_norm(x, order, 1, keepdim=True)
        return torch.where(norm == 0, 0.0, x / torch.where(norm == 0, 1.0, norm))

    assert_gradient(
        helper.make_node("LpNormalization", ["image"], ["y"], p=order, axis=1),
        np.array([[0.0, 0.0, 0.0], [3.0, 0.0, -4.0]]),
        divided,
    )


@pytest.mark.parametrize("axis", [1, -1])
def test_a_hard_maximum_is_constant(axis: int) -> None:
    """What it chooses has a gradient, where it chooses has none."""
    nodes = [
        helper.make_node("Hardmax", ["image"], ["chosen"], axis=axis),
        helper.make_node("Mul", ["image", "chosen"], ["y"]),
    ]
    assert_gradient(
        nodes,
        np.random.default_rng(0).normal(size=(2, 3, 4)),
        lambda x: x * (x == x.amax(axis, keepdim=True)),
    )
