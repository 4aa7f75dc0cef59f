"""Arithmetic between tensors, with every way to broadcast, against torch.autograd."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from onnx import helper

from tests.autograd import assert_gradient

BINARY: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Div": torch.div,
    "Pow": torch.pow,
    "Max": torch.maximum,
    "Min": torch.minimum,
    "Sum": torch.add,
}
SHAPES = [
    ((4, 3, 5), (4, 3, 5)),
    ((4, 3, 5), (5,)),
    ((4, 3, 5), (4, 1, 1)),
    ((4, 1, 5), (1, 3, 1)),
    ((5,), (4, 3, 5)),
    ((1,), (7,)),
]
"""Shape of the image behind its batch, shape of the other operand."""


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(("shape", "other"), SHAPES)
@pytest.mark.parametrize("operator", BINARY)
def test_an_operand_gets_its_gradient_whatever_broadcasts(
    operator: str, shape: tuple[int, ...], other: tuple[int, ...], *, first: bool
) -> None:
    """The cotangent is summed over exactly the axes along which the operand was repeated."""
    if len(other) > len(shape):
        other = (1, *other)  # the batch stays the leading axis
        shape = (1,) * (len(other) - 1 - len(shape)) + shape
    random = np.random.default_rng(0)
    image = random.uniform(0.5, 2.0, size=(2, *shape))
    constant = random.uniform(0.5, 2.0, size=other)
    exact = torch.tensor(constant.astype(np.float32).astype(np.float64))
    inputs = ["image", "other"] if first else ["other", "image"]
    function = BINARY[operator]
    assert_gradient(
        helper.make_node(operator, inputs, ["y"]),
        image,
        (lambda x: function(x, exact)) if first else (lambda x: function(exact, x)),
        constants={"other": constant},
    )


@pytest.mark.parametrize("operator", BINARY)
def test_both_operands_add_up_where_they_are_one_tensor(operator: str) -> None:
    """Also the case where everything ties: Max(x, x) gives each half, as torch.maximum does."""
    image = np.random.default_rng(0).uniform(0.5, 2.0, size=(2, 9))
    function = BINARY[operator]
    assert_gradient(helper.make_node(operator, ["image", "image"], ["y"]), image, lambda x: function(x, x))


@pytest.mark.parametrize("operator", ["Max", "Min"])
def test_an_extremum_shares_the_gradient_among_ties(operator: str) -> None:
    """torch.maximum gives one half to either operand where they are equal."""
    image = np.array([[0.0, 1.0, -1.0, 2.0], [0.0, 0.0, 3.0, -3.0]])
    other = np.array([0.0, 1.0, 0.0, 0.0])
    assert_gradient(
        helper.make_node(operator, ["image", "other"], ["y"]),
        image,
        lambda x: BINARY[operator](x, torch.tensor(other)),
        constants={"other": other},
    )


@pytest.mark.parametrize("exponent", [2.0, 0.5, 3.0, -1.0, 1.5])
def test_a_constant_power_has_its_slope(exponent: float) -> None:
    """Squares and roots take shortcuts; the others go through Pow."""
    image = np.random.default_rng(0).uniform(0.5, 2.0, size=(2, 9))
    assert_gradient(
        helper.make_node("Pow", ["image", "exponent"], ["y"]),
        image,
        lambda x: x**exponent,
        constants={"exponent": np.array(exponent)},
    )


@pytest.mark.parametrize(
    "exponents", [np.array([0.0, 1.0, 2.0, 0.5]), np.array([0, 1, 2, 3]), np.array([0.0])]
)
def test_powers_of_zero_have_pytorchs_slope(exponents: np.ndarray) -> None:
    """Exponents of one tensor, of integers too; to the power of 0 everything is 1, with slope 0."""
    image = np.abs(np.random.default_rng(0).normal(size=(2, 3, 4)))
    image[0, 0, :2] = 0.0
    assert_gradient(
        helper.make_node("Pow", ["image", "exponents"], ["y"]),
        image,
        lambda x: x ** torch.tensor(exponents, dtype=torch.float64),
        constants={"exponents": exponents},
    )


def test_a_square_of_negative_numbers_has_its_slope() -> None:
    """The shortcut for squares must not take a logarithm or a power of a negative number."""
    image = np.random.default_rng(0).normal(size=(2, 9))
    assert_gradient(
        helper.make_node("Pow", ["image", "two"], ["y"]),
        image,
        torch.square,
        constants={"two": np.array(2.0)},
    )


@pytest.mark.parametrize("position", [1, 2])
@pytest.mark.parametrize("shape", [(4, 5), (1, 5), (1, 1)])
def test_where_routes_the_gradient_to_the_chosen_branch(position: int, shape: tuple[int, ...]) -> None:
    """Either branch may be the image, and either may broadcast."""
    random = np.random.default_rng(0)
    image = random.normal(size=(2, *shape))
    condition = random.random((4, 5)) < 0.5
    other = random.normal(size=(4, 1))
    exact = torch.tensor(other.astype(np.float32).astype(np.float64))
    chosen = torch.tensor(condition)
    inputs = ["condition", "other", "other"]
    inputs[position] = "image"
    assert_gradient(
        helper.make_node("Where", inputs, ["y"]),
        image,
        lambda x: torch.where(chosen, x, exact) if position == 1 else torch.where(chosen, exact, x),
        constants={"condition": condition, "other": other},
    )


def test_a_mean_shares_the_gradient() -> None:
    """Neither double-precision evaluator has Mean with broadcasting, so it is tried on equal shapes."""
    image = np.random.default_rng(0).normal(size=(2, 9))
    nodes = [
        helper.make_node("Neg", ["image"], ["opposite"]),
        helper.make_node("Mean", ["image", "opposite", "image"], ["y"]),
    ]
    assert_gradient(nodes, image, lambda x: (x - x + x) / 3)
