"""Every activation against torch.autograd."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from onnx import helper
from torch.nn import functional

from tests.autograd import assert_gradient

ALPHA, GAMMA = float(np.float32(1.6732632423543772)), float(np.float32(1.0507009873554805))
"""Selu's constants as ONNX stores them."""

ACTIVATIONS: dict[str, tuple[str, dict[str, float], Callable[[torch.Tensor], torch.Tensor]]] = {
    "relu": ("Relu", {}, functional.relu),
    "leaky relu": ("LeakyRelu", {"alpha": 0.125}, lambda x: functional.leaky_relu(x, 0.125)),
    "leaky relu by default": ("LeakyRelu", {}, lambda x: functional.leaky_relu(x, float(np.float32(0.01)))),
    "thresholded relu": ("ThresholdedRelu", {"alpha": 0.5}, lambda x: functional.threshold(x, 0.5, 0.0)),
    "hard shrink": ("Shrink", {"lambd": 0.75}, lambda x: functional.hardshrink(x, 0.75)),
    "soft shrink": ("Shrink", {"lambd": 0.75, "bias": 0.75}, lambda x: functional.softshrink(x, 0.75)),
    "shrink by default": ("Shrink", {}, functional.hardshrink),
    "elu": ("Elu", {"alpha": 1.5}, lambda x: functional.elu(x, 1.5)),
    "celu": ("Celu", {"alpha": 1.5}, lambda x: functional.celu(x, 1.5)),
    "selu": (
        "Selu",
        {"alpha": 1.5, "gamma": 1.25},
        lambda x: 1.25 * torch.where(x > 0, x, 1.5 * torch.expm1(x)),
    ),
    "selu by default": ("Selu", {}, lambda x: GAMMA * torch.where(x > 0, x, ALPHA * torch.expm1(x))),
    "sigmoid": ("Sigmoid", {}, torch.sigmoid),
    "hard sigmoid": ("HardSigmoid", {"alpha": 0.25, "beta": 0.5}, lambda x: (x / 4 + 0.5).clamp(0, 1)),
    "hard swish": ("HardSwish", {}, functional.hardswish),
    "tanh": ("Tanh", {}, torch.tanh),
    "softplus": ("Softplus", {}, functional.softplus),
    "softsign": ("Softsign", {}, functional.softsign),
    "mish": ("Mish", {}, functional.mish),
}


@pytest.mark.parametrize("shape", [(4, 7), (3, 4, 5)])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_has_pytorchs_gradient(name: str, shape: tuple[int, ...]) -> None:
    """Values on both sides of every kink, and none on one; maps take another way than other tensors."""
    operator, attributes, reference = ACTIVATIONS[name]
    node = helper.make_node(operator, ["image"], ["y"])
    node.attribute.extend(helper.make_attribute(*entry) for entry in attributes.items())
    assert_gradient(node, np.random.default_rng(0).normal(scale=3.0, size=(2, *shape)), reference)


CLIPS: dict[str, tuple[list[str], Callable[[torch.Tensor], torch.Tensor]]] = {
    "relu6": (["image", "zero", "six"], functional.relu6),
    "both bounds": (["image", "low", "high"], lambda x: functional.hardtanh(x, -0.75, 1.25)),
    "from below": (["image", "low"], lambda x: x.clamp(min=-0.75)),
    "from above": (["image", "", "high"], lambda x: x.clamp(max=1.25)),
    "not at all": (["image"], lambda x: x.clone()),
}


@pytest.mark.parametrize("shape", [(40,), (3, 4, 5)])
@pytest.mark.parametrize("name", CLIPS)
def test_a_clip_passes_the_gradient_between_its_bounds(name: str, shape: tuple[int, ...]) -> None:
    """Every combination of bounds that exporters write."""
    inputs, reference = CLIPS[name]
    bounds = {"zero": 0.0, "six": 6.0, "low": -0.75, "high": 1.25}
    image = np.random.default_rng(0).normal(scale=4.0, size=(2, *shape))
    assert_gradient(
        helper.make_node("Clip", inputs, ["y"]),
        image,
        reference,
        constants={key: np.array(bounds[key]) for key in inputs[1:] if key},
    )


@pytest.mark.parametrize("shape", [(2, 6), (1, 2, 2, 3)])
@pytest.mark.parametrize("operator", ["Relu", "Clip"])
def test_a_gate_is_shut_at_exactly_zero(operator: str, shape: tuple[int, ...]) -> None:
    """PyTorch's subgradient of ReLU and ReLU6 at 0 is 0; black pixels and zero padding sit there."""
    inputs = ["image"] if operator == "Relu" else ["image", "zero", "six"]
    image = np.array([[0.0, -0.0, 1.0, -1.0, 6.0, 7.0], [1e-30, -1e-30, 1e30, 3.0, 0.0, 0.5]])
    assert_gradient(
        helper.make_node(operator, inputs, ["y"]),
        image.reshape(shape),
        functional.relu if operator == "Relu" else functional.relu6,
        constants={"zero": np.array(0.0), "six": np.array(6.0)},
    )


@pytest.mark.parametrize("shape", [(2, 4), (1, 2, 2, 2)])
def test_a_gate_opens_for_the_smallest_normal_number(shape: tuple[int, ...]) -> None:
    """Documented limit: below 2^-126 the gate is a fraction, from there on it is exactly 1."""
    image = np.array([[2.0**-126, 2.0**-100, 2.0**100, 3e38]] * 2).reshape(shape)
    assert_gradient(helper.make_node("Relu", ["image"], ["y"]), image, functional.relu)


@pytest.mark.parametrize("bound", [0.7, 1.1, 6.0, 6.1, 1e-3, 123.4, -0.7, 1e30])
def test_a_gate_is_shut_at_exactly_its_upper_bound(bound: float) -> None:
    """A saturated activation is its bound to the last bit; rounding of the gate's slope must not open it."""
    single = np.float32(bound)
    below = np.nextafter(single, np.float32(-np.inf))
    image = np.array([[single, below], [single * 2, -abs(single) * 3]], np.float64)
    assert_gradient(
        helper.make_node("Clip", ["image", "", "bound"], ["y"]),
        image,
        lambda x: torch.where(x < float(single), x, torch.full_like(x, float(single))),
        constants={"bound": np.array(bound)},
    )


AT_BOUNDS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "hardtanh": lambda x: functional.hardtanh(x, -0.75, 1.25),
    "clamp": lambda x: x.clamp(-0.75, 1.25),
}


@pytest.mark.parametrize("shape", [(4,), (1, 2, 2)])
@pytest.mark.parametrize("name", AT_BOUNDS)
def test_a_clip_passes_nothing_at_its_bounds(name: str, shape: tuple[int, ...]) -> None:
    """Exporters write both of PyTorch's functions as Clip, and both pass 0 there; clamp passed 1 before 2.14."""
    assert_gradient(
        helper.make_node("Clip", ["image", "low", "high"], ["y"]),
        np.array([[-0.75, 1.25, -2.0, 0.5], [1.25, -0.75, 3.0, 0.0]]).reshape(2, *shape),
        AT_BOUNDS[name],
        constants={"low": np.array(-0.75), "high": np.array(1.25)},
    )


def test_a_bound_at_infinity_is_none() -> None:
    """Some exporters write both bounds always."""
    assert_gradient(
        helper.make_node("Clip", ["image", "low", "high"], ["y"]),
        np.random.default_rng(0).normal(size=(2, 5)),
        lambda x: x.clone(),
        constants={"low": np.array(-np.inf), "high": np.array(np.inf)},
    )


@pytest.mark.parametrize("shape", [(4, 7), (3, 4, 5)])
@pytest.mark.parametrize(
    ("operator", "attributes", "reference"),
    [
        ("Sigmoid", {}, functional.silu),
        ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}, functional.hardswish),
        ("HardSigmoid", {"alpha": 0.25, "beta": 0.5}, lambda x: x * (x / 4 + 0.5).clamp(0, 1)),
        ("HardSigmoid", {}, lambda x: x * (x * float(np.float32(0.2)) + 0.5).clamp(0, 1)),
        ("Tanh", {}, lambda x: x * torch.tanh(x)),
    ],
    ids=["swish", "hard swish", "another ramp", "the ramp by default", "another function"],
)
def test_a_self_gated_activation_has_pytorchs_gradient(
    operator: str,
    attributes: dict[str, float],
    reference: Callable[[torch.Tensor], torch.Tensor],
    shape: tuple[int, ...],
) -> None:
    """Exporters write SiLU and hard swish as products; the two are differentiated as one function."""
    gate = helper.make_node(operator, ["image"], ["gate"])
    gate.attribute.extend(helper.make_attribute(*entry) for entry in attributes.items())
    image = np.random.default_rng(0).normal(scale=3.0, size=(2, *shape))
    for factors in (["image", "gate"], ["gate", "image"]):
        assert_gradient(
            [gate, helper.make_node("Mul", factors, ["y"])], image, reference, exact=operator != "HardSigmoid"
        )


@pytest.mark.parametrize("shape", [(4, 1, 1), (1,), (4, 3, 5)])
def test_learned_slopes_broadcast(shape: tuple[int, ...]) -> None:
    """PRelu's slopes are per channel, shared, or per element."""
    slopes = np.random.default_rng(1).normal(size=shape)
    image = np.random.default_rng(0).normal(size=(2, 4, 3, 5))
    exact = torch.tensor(slopes.astype(np.float32).astype(np.float64))
    assert_gradient(
        helper.make_node("PRelu", ["image", "slopes"], ["y"]),
        image,
        lambda x: torch.where(x > 0, x, exact * x),
        constants={"slopes": slopes},
    )


@pytest.mark.parametrize("scaling", [("Div", 2**0.5), ("Mul", 0.5**0.5), ("Mul", 0.7)])
def test_gelu_as_exporters_write_it_has_pytorchs_gradient(scaling: tuple[str, float]) -> None:
    """``x (1 + erf(x / sqrt 2)) / 2``, differentiated as one function, and a relative that is none."""
    operator, factor = scaling
    nodes = [
        helper.make_node(operator, ["image", "factor"], ["scaled"]),
        helper.make_node("Erf", ["scaled"], ["error"]),
        helper.make_node("Add", ["error", "one"], ["gate"]),
        helper.make_node("Mul", ["image", "gate"], ["product"]),
        helper.make_node("Mul", ["product", "half"], ["y"]),
    ]
    slope = float(np.float32(factor)) if operator == "Mul" else 1 / float(np.float32(factor))
    assert_gradient(
        nodes,
        np.random.default_rng(0).normal(scale=3.0, size=(2, 4, 7)),
        lambda x: x * (1 + torch.erf(x * slope)) / 2,
        constants={"factor": np.array(factor), "one": np.array(1.0), "half": np.array(0.5)},
        exact=False,  # the evaluators know erf in float32 alone
    )
