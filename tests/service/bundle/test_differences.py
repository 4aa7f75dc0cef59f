"""Finite differences against functions whose derivative is known in closed form."""

import numpy as np
import pytest
from onnx import parser

from service.bundle.differences import Point, check_gradients
from service.bundle.float64 import Array64, Float64Graph
from service.errors import GraphError


def graph(body: str) -> Float64Graph:
    text = f"g (float[1,n] x) => (float[1,n] logits) {{ {body} }}"
    return Float64Graph(parser.parse_model('<ir_version: 10, opset_import: ["" : 20]>' + text))


def point(x: Array64, gradient: Array64) -> Point:
    return Point({"x": x}, "x", np.ones_like(x), gradient)


X = np.array([[0.3, -1.2, 2.5, 0.7]])


def test_the_gradient_of_a_parabola_is_confirmed() -> None:
    """Central differences of a quadratic are exact; what is left is rounding, 1e-16 over the step of 1e-4."""
    found = check_gradients(graph("logits = Mul(x, x)"), [point(X, 2 * X)], directions=5)

    assert found.errors.largest < 1e-11
    assert found.step == 1e-4
    assert found.errors.count == 5


def test_the_error_is_relative_to_the_gradient() -> None:
    """In one dimension a gradient of 2.2 x instead of 2 x is off by 0.2 / 2.2 of itself, whatever x is."""
    for x in (np.array([[1e-3]]), np.array([[50.0]])):
        found = check_gradients(graph("logits = Mul(x, x)"), [point(x, 2.2 * x)], directions=2)

        assert found.errors.median == pytest.approx(0.2 / 2.2, rel=5e-3)  # figures have three digits


def test_a_flipped_sign_is_an_error_of_two() -> None:
    x = np.array([[0.4]])

    found = check_gradients(graph("logits = Mul(x, x)"), [point(x, -2 * x)], directions=1)

    assert found.errors.median == 2


def test_one_wrong_pixel_among_many_is_seen() -> None:
    """Every direction moves every pixel, so no pixel can hide: of 100 equal slopes one is missing, 1/10 of the norm."""
    x = np.ones((1, 100))
    gradient = 2 * x
    gradient[0, 17] = 0

    found = check_gradients(graph("logits = Mul(x, x)"), [point(x, gradient)], directions=4)

    assert found.errors.median == pytest.approx(2 / np.linalg.norm(gradient), rel=5e-3)


def test_the_step_that_does_not_cross_a_kink_is_found() -> None:
    """|x| at 5e-5 has slope 1, but from -5e-5 to 1.5e-4, the ends of the largest step, only a half."""
    x = np.array([[5e-5]])

    found = check_gradients(graph("logits = Abs(x)"), [point(x, np.ones((1, 1)))], directions=3)

    assert found.step < 1e-4
    assert found.errors.largest < 1e-7


def test_the_cotangent_chooses_what_is_differentiated() -> None:
    x = np.array([[3.0, 5.0]])
    contrast = Point({"x": x}, "x", np.array([[1.0, -1.0]]), np.array([[6.0, -10.0]]))

    assert check_gradients(graph("logits = Mul(x, x)"), [contrast], directions=4).errors.largest < 1e-10


def test_a_gradient_of_zero_is_right_only_if_nothing_changes() -> None:
    """Dividing by its norm would make not-a-number of both cases."""
    zero = np.zeros((1, 2))
    x = np.ones((1, 2))

    right = check_gradients(graph("logits = Sub(x, x)"), [point(x, zero)], directions=2)
    wrong = check_gradients(graph("logits = Mul(x, x)"), [point(x, zero)], directions=2)

    assert right.errors.largest == 0
    assert wrong.errors.largest > 1


def test_a_gradient_that_rounding_hides_is_neither_right_nor_wrong() -> None:
    """Beside a logit of 1, float64 sees a change of 2e-16 at least: a slope of 2e-12 over the step of 1e-4."""
    hidden, seen = (
        graph(
            f"slope = Constant <value_float: float = {slope}> () one = Constant <value_float: float = 1.0> () "
            "a = Mul(x, slope) logits = Add(a, one)"
        )
        for slope in ("1.0e-13", "1.0e-5")
    )

    with pytest.raises(GraphError, match="so small"):
        check_gradients(hidden, [point(X, np.full_like(X, 1e-13))], directions=3)
    assert check_gradients(seen, [point(X, np.full_like(X, 1e-5))], directions=3).errors.largest < 1e-5
    assert check_gradients(seen, [point(X, np.full_like(X, 3e-5))], directions=3).errors.largest > 0.3


def test_several_points_are_summarised_together() -> None:
    points = [point(X, 2 * X), point(X, 2 * X), point(X, -2 * X)]

    found = check_gradients(graph("logits = Mul(x, x)"), points, directions=2)

    assert found.errors.count == 6
    assert found.errors.median < 1e-10 < found.errors.largest


def test_the_same_call_gives_the_same_figures() -> None:
    """They go into a manifest, whose digest names the model."""
    first, second = (
        check_gradients(graph("logits = Abs(x)"), [point(X, np.sign(X))], directions=3) for _ in range(2)
    )

    assert first == second
