"""Operators that read or write entries at indices, against torch.autograd."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from onnx import NodeProto, helper

from service.errors import UnsupportedOperatorError
from tests.autograd import assert_gradient


def whole(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


GATHERS: dict[str, tuple[NodeProto, np.ndarray, Callable[[torch.Tensor], torch.Tensor]]] = {
    "one": (helper.make_node("Gather", ["image", "c"], ["y"], axis=1), np.array(2), lambda x: x[:, 2]),
    "the last": (
        helper.make_node("Gather", ["image", "c"], ["y"], axis=-1),
        np.array(-1),
        lambda x: x[..., -1],
    ),
    "a list of one": (
        helper.make_node("Gather", ["image", "c"], ["y"], axis=2),
        whole(1),
        lambda x: x[:, :, [1]],
    ),
    "a list": (
        helper.make_node("Gather", ["image", "c"], ["y"], axis=2),
        whole(0, 3, 3, -1),
        lambda x: x[:, :, [0, 3, 3, 3]],
    ),
    "an image": (
        helper.make_node("Gather", ["image", "c"], ["y"], axis=0),
        np.array(1),
        lambda x: x[1],
    ),
    "a table": (
        helper.make_node("Gather", ["image", "c"], ["y"], axis=1),
        np.array([[0, 1], [1, 2]]),
        lambda x: x[:, [[0, 1], [1, 2]]],
    ),
}


@pytest.mark.parametrize("name", GATHERS)
def test_gathering_has_pytorchs_gradient(name: str) -> None:
    """With repeated, negative and scalar indices."""
    node, index, reference = GATHERS[name]
    image = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    assert_gradient(node, image, reference, constants={"c": index})


def test_gathering_by_index_has_pytorchs_gradient() -> None:
    """Entries that are read twice get both cotangents."""
    image = np.random.default_rng(0).normal(size=(2, 4))
    elements = np.array([[0, 0, 3], [1, 2, 2]])
    assert_gradient(
        helper.make_node("GatherElements", ["image", "c"], ["y"], axis=1),
        image,
        lambda x: x.gather(1, torch.tensor(elements)),
        constants={"c": elements},
        free_batch=False,
    )
    entries = np.array([[0, 1], [1, 3], [0, 1]])
    assert_gradient(
        helper.make_node("GatherND", ["image", "c"], ["y"]),
        image,
        lambda x: x[entries[:, 0], entries[:, 1]],
        constants={"c": entries},
        free_batch=False,
    )


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (2, 1)])
def test_gathering_keeps_the_axes_of_its_index(shape: tuple[int, ...]) -> None:
    """A single index may be a number, or a tensor of one entry and any rank."""
    index = np.full(shape, -1)
    assert_gradient(
        helper.make_node("Gather", ["image", "index"], ["y"], axis=1),
        np.random.default_rng(0).normal(size=(2, 4, 3)),
        lambda x: x[:, torch.tensor(index)],
        constants={"index": index},
    )


@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("count", [1, 3])
def test_the_largest_entries_have_pytorchs_gradient(count: int, largest: int, axis: int) -> None:
    """As token pruning and mixtures of experts choose; what is not chosen gets nothing."""
    assert_gradient(
        helper.make_node("TopK", ["image", "count"], ["y", "positions"], axis=axis, largest=largest),
        np.random.default_rng(0).normal(size=(2, 5, 4, 6)),
        lambda x: x.topk(count, axis, bool(largest)).values,
        constants={"count": whole(count)},
    )


def test_the_largest_entries_in_any_order_have_pytorchs_gradient() -> None:
    """Unsorted; their positions choose among other entries, too, and nothing flows through positions."""
    nodes = [
        helper.make_node("TopK", ["image", "count"], ["values", "positions"], axis=1, sorted=0),
        helper.make_node("Exp", ["image"], ["others"]),
        helper.make_node("GatherElements", ["others", "positions"], ["chosen"], axis=1),
        helper.make_node("Mul", ["values", "chosen"], ["products"]),
        helper.make_node("ReduceSum", ["products", "axes"], ["y"]),
    ]

    def products(x: torch.Tensor) -> torch.Tensor:
        values, positions = x.topk(3, 1)
        return (values * x.exp().gather(1, positions)).sum(1, keepdim=True)

    assert_gradient(
        nodes,
        np.random.default_rng(0).normal(size=(2, 7, 4)),
        products,
        constants={"count": whole(3), "axes": whole(1)},
    )


def test_scattering_has_pytorchs_gradient() -> None:
    """What is overwritten gets nothing; what is put there gets its cotangent."""
    entries = np.array([[1], [3]])
    nodes = [
        helper.make_node("Transpose", ["image"], ["columns"], perm=[1, 0]),
        helper.make_node("Mul", ["columns", "columns"], ["squares"]),
        helper.make_node("Slice", ["squares", "zero", "two"], ["rows"]),
        helper.make_node("ScatterND", ["columns", "entries", "rows"], ["y"]),
    ]

    def scattered(x: torch.Tensor) -> torch.Tensor:
        columns = x.T
        result = columns.clone()
        result[[1, 3]] = columns.square()[:2]
        return result

    assert_gradient(
        nodes,
        np.random.default_rng(0).normal(size=(2, 5)),
        scattered,
        constants={"entries": entries, "zero": whole(0), "two": whole(2)},
    )


@pytest.mark.parametrize("axis", [1, -1, -2])
def test_scattering_along_an_axis_has_pytorchs_gradient(axis: int) -> None:
    """As torch.scatter with a source that depends on the image, too."""
    index = np.array([[[2, 0, 1], [0, 1, 0]], [[1, 2, 2], [2, 0, 1]]])
    assert_gradient(
        [
            helper.make_node("Slice", ["image", "zero", "lengths", "axes"], ["corner"]),
            helper.make_node("Mul", ["corner", "corner"], ["squares"]),
            helper.make_node("ScatterElements", ["image", "index", "squares"], ["y"], axis=axis),
        ],
        np.random.default_rng(0).normal(size=(2, 3, 4)),
        lambda x: x.scatter(axis, torch.tensor(index), x[:, :2, :3].square()),
        constants={"index": index, "zero": whole(0, 0), "lengths": whole(2, 3), "axes": whole(1, 2)},
        free_batch=False,
    )


@pytest.mark.parametrize("axis", [1, -2])
def test_scattering_that_adds_has_pytorchs_gradient(axis: int) -> None:
    """As torch.scatter_add; what is there keeps its cotangent, and entries that meet at one place each get it."""
    index = np.array([[[2, 0, 1], [0, 1, 0]], [[1, 2, 2], [1, 2, 1]]])
    assert_gradient(
        [
            helper.make_node("Slice", ["image", "zero", "lengths", "axes"], ["corner"]),
            helper.make_node("Mul", ["corner", "corner"], ["squares"]),
            helper.make_node(
                "ScatterElements", ["image", "index", "squares"], ["sum"], axis=axis, reduction="add"
            ),
            helper.make_node("Mul", ["sum", "sum"], ["y"]),
        ],
        np.random.default_rng(0).normal(size=(2, 3, 4)),
        lambda x: x.scatter_add(axis, torch.tensor(index), x[:, :2, :3].square()).square(),
        constants={"index": index, "zero": whole(0, 0), "lengths": whole(2, 3), "axes": whole(1, 2)},
        free_batch=False,
    )


def test_scattering_slices_that_add_has_pytorchs_gradient() -> None:
    """As torch.index_add."""
    nodes = [
        helper.make_node("Transpose", ["image"], ["columns"], perm=[1, 0]),
        helper.make_node("Slice", ["columns", "zero", "three"], ["rows"]),
        helper.make_node("Exp", ["rows"], ["powers"]),
        helper.make_node("ScatterND", ["columns", "entries", "powers"], ["sum"], reduction="add"),
        helper.make_node("Mul", ["sum", "sum"], ["y"]),
    ]
    assert_gradient(
        nodes,
        np.random.default_rng(0).normal(size=(2, 5)),
        lambda x: x.T.index_add(0, torch.tensor([1, 3, 1]), x.T[:3].exp()).square(),
        constants={"entries": np.array([[1], [3], [1]]), "zero": whole(0), "three": whole(3)},
    )


@pytest.mark.parametrize("reduction", ["mul", "max"])
@pytest.mark.parametrize("operator", ["ScatterElements", "ScatterND"])
def test_scattering_that_multiplies_or_compares_is_refused(operator: str, reduction: str) -> None:
    """Not met in classifiers."""
    entries = np.array([[0], [1]]) if operator == "ScatterND" else np.zeros((2, 4), np.int64)
    with pytest.raises(UnsupportedOperatorError, match=f"{operator} .*by {reduction}"):
        assert_gradient(
            helper.make_node(operator, ["image", "entries", "image"], ["y"], reduction=reduction),
            np.ones((2, 4)),
            lambda x: x + x,
            constants={"entries": entries},
            free_batch=False,
        )
