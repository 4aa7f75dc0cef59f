"""Compare a derivative that we write with torch.autograd in float64, in double and in single precision.

The double-precision check runs the float64 twin of the graph, in ONNX Runtime where it has float64 kernels and in
PyTorch's operators under onnx's evaluator otherwise: it decides whether the formula is right. The single-precision check runs
what is shipped, and only has to agree within rounding.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper
from onnxruntime.capi import onnxruntime_pybind11_state as binding

from service.graphs.backpropagate import backpropagate
from service.graphs.facts import ELEMENTS, Facts, measure
from service.graphs.opset import OPSET
from service.graphs.prepare import IR_VERSION
from service.graphs.probe import run, with_every_tensor
from service.graphs.session import open_session
from service.graphs.tape import Tape
from service.graphs.tidy import remove_dead_nodes
from tests.double import evaluate_double
from tests.kernels import nodes_without_cuda_kernel

Array = NDArray[np.float64]

OPERATIONS = 200
"""Roundings on the longest path of a test's graph: sums of at most 100 terms, forward and back.

A computed value misses the exact one by at most OPERATIONS * epsilon times the largest value that enters it.
"""


def assert_gradient(
    nodes: NodeProto | Sequence[NodeProto],
    image: Array,
    reference: Callable[[torch.Tensor], torch.Tensor],
    *,
    constants: Mapping[str, NDArray[np.generic]] | None = None,
    output: str = "y",
    free_batch: bool = True,
    exact: bool = True,
) -> None:
    """Check value and gradient of a small graph from ``image`` to *output* against PyTorch.

    Args:
        nodes: The graph, in order; its input is called ``image``.
        image: ``[2, ...]`` or another batch; rounded to float32, so that both precisions see the same numbers.
        reference: The same function in PyTorch.
        constants: The graph's constants; reals are given in float64.
        output: The tensor that is differentiated.
        free_batch: Whether the graph runs at any batch; without it the derivative sees only fixed lengths.
        exact: Whether the derivative is the formula itself; otherwise it holds numbers measured in float32.
    """
    listed = [nodes] if isinstance(nodes, NodeProto) else list(nodes)
    image = image.astype(np.float32).astype(np.float64)
    stored = {
        name: value.astype(np.float32).astype(np.float64) if value.dtype == np.float64 else value
        for name, value in (constants or {}).items()
    }
    expected, gradient, cotangent = torch_gradient(reference, image)
    single = small_model(listed, image, stored, output, np.float32)
    facts = measure(single) if free_batch else _measure_once(single, image)
    for dtype, evaluate in ((np.float64, _evaluate_double), (np.float32, evaluate_single)):
        model = small_model(listed, image, stored, output, dtype)
        _differentiate(model, facts, output, dtype)
        feed = {"image": image.astype(dtype), "cotangent": cotangent.astype(dtype)}
        values = evaluate(model, feed)
        for name, found, wanted in zip((output, "gradient"), values, (expected, gradient), strict=True):
            assert found.shape == wanted.shape
            # Kernels may keep real attributes in float32 (HardSwish's 1/6), so only the derivative can be exact.
            precision = np.finfo(np.float32 if name == output or not exact else dtype).eps
            slack = OPERATIONS * precision * max(np.abs(wanted).max(initial=0), 1)
            worst = float(np.max(np.abs(np.subtract(found, wanted)), initial=0))
            assert worst <= slack, f"{name} in {dtype.__name__} is off by {worst}, allowed {slack}"
        if dtype is np.float32:
            assert nodes_without_cuda_kernel(model, prefix="vjp/") == []


def torch_gradient(
    reference: Callable[[torch.Tensor], torch.Tensor], image: Array
) -> tuple[Array, Array, Array]:
    """Give value, gradient and the seeded cotangent that the gradient is taken with, all in float64."""
    leaf = torch.tensor(image, requires_grad=True)
    value = reference(leaf)
    cotangent = np.random.default_rng(1).normal(size=tuple(value.shape)).astype(np.float32).astype(np.float64)
    (gradient,) = torch.autograd.grad(value, leaf, torch.tensor(cotangent))
    return value.detach().numpy(), gradient.numpy(), cotangent


def small_model(
    nodes: Sequence[NodeProto],
    image: Array,
    constants: Mapping[str, NDArray[np.generic]],
    output: str,
    dtype: type[np.generic],
) -> ModelProto:
    """Put nodes into a model whose reals have one type and whose batch is symbolic."""
    element = ELEMENTS[np.dtype(dtype)]
    graph = helper.make_graph(
        [NodeProto.FromString(node.SerializeToString()) for node in nodes],
        "small",
        [helper.make_tensor_value_info("image", element, ["N", *image.shape[1:]])],
        [helper.make_tensor_value_info(output, element, None)],
        [
            numpy_helper.from_array(value.astype(dtype) if value.dtype == np.float64 else value, name)
            for name, value in constants.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def evaluate_single(model: ModelProto, feed: dict[str, NDArray[np.generic]]) -> list[NDArray[np.generic]]:
    """Run a graph as it is shipped."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = {entry.name for entry in session.get_inputs()}
    return list(session.run(None, {name: value for name, value in feed.items() if name in names}))


def _measure_once(model: ModelProto, image: Array) -> Facts:
    session = open_session(with_every_tensor(model), optimise=False)
    tensors = run(session, image.astype(np.float32))
    tensors |= {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return Facts(
        {name: value.shape for name, value in tensors.items()},
        {name: value.dtype for name, value in tensors.items()},
    )


def _evaluate_double(model: ModelProto, feed: dict[str, NDArray[np.generic]]) -> list[NDArray[np.generic]]:
    try:
        return evaluate_single(model, feed)
    except (binding.InvalidGraph, binding.NotImplemented):
        return evaluate_double(model, feed)


def _differentiate(model: ModelProto, facts: Facts, output: str, dtype: type[np.generic]) -> None:
    """Add the output ``gradient`` to a graph."""
    element = ELEMENTS[np.dtype(dtype)]
    types = {
        name: np.dtype(dtype) if np.issubdtype(found, np.floating) else found
        for name, found in facts.types.items()
    }
    model.graph.input.append(helper.make_tensor_value_info("cotangent", element, None))
    tape = Tape(model, Facts(facts.shapes, types), np.dtype(dtype), "vjp")
    gradient = backpropagate(tape, {output: tape.tensor("cotangent")}, ["image"])["image"]
    model.graph.node.append(helper.make_node("Identity", [gradient.name], ["gradient"]))
    model.graph.output.append(helper.make_tensor_value_info("gradient", element, None))
    remove_dead_nodes(model)
