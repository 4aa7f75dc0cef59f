"""Functions of one tensor against torch.autograd."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from onnx import helper

from tests.autograd import assert_gradient

FUNCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "Neg": torch.neg,
    "Abs": torch.abs,
    "Exp": torch.exp,
    "Log": torch.log,
    "Sqrt": torch.sqrt,
    "Reciprocal": torch.reciprocal,
    "Erf": torch.erf,
    "Sin": torch.sin,
    "Cos": torch.cos,
    "Tan": torch.tan,
    "Asin": torch.asin,
    "Acos": torch.acos,
    "Atan": torch.atan,
    "Sinh": torch.sinh,
    "Cosh": torch.cosh,
    "Asinh": torch.asinh,
    "Acosh": torch.acosh,
    "Atanh": torch.atanh,
    "Identity": torch.clone,
    "Dropout": torch.clone,
}
POSITIVE = {"Log", "Sqrt", "Reciprocal"}
SMALL = {"Acos", "Asin", "Atanh", "Tan"}


@pytest.mark.parametrize("operator", FUNCTIONS)
def test_a_function_has_pytorchs_gradient(operator: str) -> None:
    """On both sides of zero, where the function is defined there."""
    image = np.random.default_rng(0).normal(size=(2, 4, 7))
    if operator in POSITIVE:
        image = np.abs(image) + 0.5
    if operator in SMALL:
        image = np.tanh(image) * 0.9
    if operator == "Acosh":
        image = np.abs(image) + 1.5
    assert_gradient(helper.make_node(operator, ["image"], ["y"]), image, FUNCTIONS[operator])


@pytest.mark.parametrize("operator", ["Ceil", "Floor", "Round", "Sign"])
def test_a_step_function_passes_nothing(operator: str) -> None:
    """Only the way around it counts, as in PyTorch."""
    nodes = [
        helper.make_node(operator, ["image"], ["step"]),
        helper.make_node("Add", ["step", "image"], ["y"]),
    ]
    image = np.random.default_rng(0).normal(scale=3.0, size=(2, 9))
    function = getattr(torch, operator.lower())
    assert_gradient(nodes, image, lambda x: function(x) + x)


def test_nothing_flows_through_integers() -> None:
    """The position of a maximum is a step function of the image."""
    nodes = [
        helper.make_node("ArgMax", ["image"], ["position"], axis=1, keepdims=1),
        helper.make_node("GatherElements", ["image", "position"], ["largest"], axis=1),
        helper.make_node("Mul", ["largest", "image"], ["y"]),
    ]
    image = np.random.default_rng(0).normal(scale=3.0, size=(2, 9))
    assert_gradient(nodes, image, lambda x: x.max(dim=1, keepdim=True).values * x)
