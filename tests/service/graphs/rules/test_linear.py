"""Matrix products against torch.autograd."""

import numpy as np
import pytest
import torch
from onnx import helper

from service.errors import UnsupportedOperatorError
from tests.autograd import assert_gradient


def exact(value: np.ndarray) -> torch.Tensor:
    """What the graph holds of a constant: rounded to float32."""
    return torch.tensor(value.astype(np.float32).astype(np.float64))


@pytest.mark.parametrize(
    ("shape", "other"),
    [((3, 4), (4, 5)), ((6, 3, 4), (4, 5)), ((1, 3, 4), (6, 4, 5)), ((6, 3, 4), (6, 4, 5))],
)
def test_the_left_factor_of_a_product(shape: tuple[int, ...], other: tuple[int, ...]) -> None:
    """Stacks of matrices broadcast against each other like any tensors."""
    random = np.random.default_rng(0)
    image, factor = random.normal(size=(2, *shape)), random.normal(size=other)
    assert_gradient(
        helper.make_node("MatMul", ["image", "factor"], ["y"]),
        image,
        lambda x: x @ exact(factor),
        constants={"factor": factor},
    )


@pytest.mark.parametrize("other", [(5, 3), (2, 5, 3), (6, 5, 3), (1, 5, 3)])
def test_the_right_factor_of_a_product(other: tuple[int, ...]) -> None:
    """As in attention, where either factor comes from the image."""
    random = np.random.default_rng(0)
    image, factor = random.normal(size=(2, 1, 3, 4)), random.normal(size=other)
    assert_gradient(
        helper.make_node("MatMul", ["factor", "image"], ["y"]),
        image,
        lambda x: exact(factor) @ x,
        constants={"factor": factor},
    )


def test_both_factors_of_a_product() -> None:
    """The scores of attention: queries times transposed keys."""
    nodes = [
        helper.make_node("Transpose", ["image"], ["keys"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["image", "keys"], ["y"]),
    ]
    image = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    assert_gradient(nodes, image, lambda x: x @ x.transpose(-1, -2))


@pytest.mark.parametrize("turn_a", [0, 1])
@pytest.mark.parametrize("turn_b", [0, 1])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_every_operand_of_a_general_product(position: int, turn_a: int, turn_b: int) -> None:
    """``alpha A B + beta C`` with either factor turned and C broadcast."""
    random = np.random.default_rng(0)
    shapes: list[tuple[int, ...]] = [
        (5, 3) if turn_a else (3, 5),
        (4, 5) if turn_b else (5, 4),
        (1, 4) if position else (3, 1),
    ]
    if position == 2:
        shapes[2] = (4,)
    values = [random.normal(size=shape) for shape in shapes]
    names = ["a", "b", "c"]
    names[position] = "image"

    def product(x: torch.Tensor) -> torch.Tensor:
        a, b, c = (x if i == position else exact(value) for i, value in enumerate(values))
        return 1.25 * ((a.T if turn_a else a) @ (b.T if turn_b else b)) + 0.75 * c

    assert_gradient(
        helper.make_node("Gemm", names, ["y"], alpha=1.25, beta=0.75, transA=turn_a, transB=turn_b),
        values[position],
        product,
        constants={name: value for name, value in zip(names, values, strict=True) if name != "image"},
        free_batch=False,
    )


@pytest.mark.parametrize(
    ("equation", "shape", "other"),
    [
        ("nij,jk->nik", (3, 4), (4, 5)),
        ("bhqd,bhkd->bhqk", (3, 4, 5), (1, 3, 6, 5)),
        ("nchw,cd->ndhw", (3, 4, 5), (3, 2)),
        ("nij,nij->n", (3, 4), (1, 3, 4)),
        ("nij,jk", (3, 4), (4, 5)),
        ("nij,jk->nk", (3, 4), (4, 5)),
        ("nhij,jk->nk", (2, 3, 4), (4, 5)),
        ("...j,jk->...k", (3, 4), (4, 5)),
        ("...ij,jk", (3, 4), (4, 5)),
    ],
)
def test_a_contraction_in_index_notation(
    equation: str, shape: tuple[int, ...], other: tuple[int, ...]
) -> None:
    """The cotangent takes the operand's place in the equation."""
    random = np.random.default_rng(0)
    batch = 1 if other[0] == 1 else 2
    image, factor = random.normal(size=(batch, *shape)), random.normal(size=other)
    nodes = [helper.make_node("Einsum", ["image", "factor"], ["y"], equation=equation)]
    if other[0] == 1:  # both carry the batch: let the other follow it
        nodes = [
            helper.make_node("Sub", ["image", "image"], ["nothing"]),
            helper.make_node("ReduceSum", ["nothing"], ["zero"], keepdims=0),
            helper.make_node("Shape", ["image"], ["batch"], start=0, end=1),
            helper.make_node("Concat", ["batch", "rest"], ["lengths"], axis=0),
            helper.make_node("Expand", ["factor", "lengths"], ["repeated"]),
            helper.make_node("Einsum", ["image", "repeated"], ["y"], equation=equation),
        ][2:]
    assert_gradient(
        nodes,
        image,
        lambda x: torch.einsum(equation, x, exact(factor)),
        constants={"factor": factor, "rest": np.ones(len(other) - 1, np.int64)},
    )


@pytest.mark.parametrize("shape", [(2, 4), (2, 3, 4), (2, 5, 3, 4)])
def test_a_product_with_a_vector(shape: tuple[int, ...]) -> None:
    """As both exporters write ``x @ v``, of which the scores of pooling by attention are made."""
    vector = np.random.default_rng(1).normal(size=4)
    assert_gradient(
        helper.make_node("MatMul", ["image", "vector"], ["y"]),
        np.random.default_rng(0).normal(size=shape),
        lambda x: x @ exact(vector),
        constants={"vector": vector},
    )


@pytest.mark.parametrize("shape", [(2, 4, 3), (2, 5, 4, 3)])
def test_a_product_of_a_vector_and_a_matrix(shape: tuple[int, ...]) -> None:
    """``v @ x`` sums over the last axis but one."""
    vector = np.random.default_rng(1).normal(size=4)
    assert_gradient(
        helper.make_node("MatMul", ["vector", "image"], ["y"]),
        np.random.default_rng(0).normal(size=shape),
        lambda x: exact(vector) @ x,
        constants={"vector": vector},
    )


@pytest.mark.parametrize("left", [True, False])
def test_a_vector_that_depends_on_the_image(left: bool) -> None:  # noqa: FBT001 - a case
    """Of the whole batch, as no classifier has; the rule still has to be right."""
    matrices = np.random.default_rng(1).normal(size=(5, 3, 3))
    assert_gradient(
        [
            helper.make_node("ReduceSum", ["image", "rows"], ["vector"], keepdims=0),
            helper.make_node("MatMul", ["vector", "matrices"] if left else ["matrices", "vector"], ["y"]),
        ],
        np.random.default_rng(0).normal(size=(2, 3)),
        lambda x: x.sum(0) @ exact(matrices) if left else exact(matrices) @ x.sum(0),
        constants={"matrices": matrices, "rows": np.array([0])},
    )


def test_a_product_of_two_vectors_is_refused() -> None:
    """It leaves no axis for the batch, so no classifier has one."""
    with pytest.raises(UnsupportedOperatorError, match=r"MatMul.*vectors"):
        assert_gradient(
            [
                helper.make_node("ReduceSum", ["image", "rows"], ["sums"], keepdims=0),
                helper.make_node("MatMul", ["sums", "vector"], ["y"]),
            ],
            np.ones((2, 3)),
            lambda x: x.sum(0) @ torch.ones(3, dtype=torch.float64),
            constants={"vector": np.ones(3), "rows": np.array([0])},
        )
