"""Which nodes of a graph ONNX Runtime's CUDA provider has no kernel for, by its published kernel table.

A node without a kernel runs on the CPU, with its inputs copied down and its outputs up; nothing says so. Call
``nodes_without_cuda_kernel`` from the test of anything that writes a graph and expect an empty list.
"""

import json
from pathlib import Path

import onnx
from onnx import ModelProto, NodeProto, TensorProto, inliner, shape_inference

TABLE = json.loads((Path(__file__).parent / "data" / "cuda-kernels.json").read_text())
OPSET: int = TABLE["opset"]
"""The operator set that the committed extract serves."""


def nodes_without_cuda_kernel(model: ModelProto, *, prefix: str = "") -> list[str]:
    """List what would fall back to the CPU on a GPU.

    Operators that are defined as functions of others, and have no kernel of their own, are judged by their bodies,
    as ONNX Runtime inlines them.

    Args:
        model: A graph of standard operators at the extract's operator set.
        prefix: Judge only nodes whose name starts so.

    Returns:
        One line per node without a kernel, such as ``BitShift(uint32): no kernel``; empty if all is well.
    """
    opset = next(entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"})
    if opset != OPSET:
        return [f"opset {opset}: the table serves {OPSET}"]
    functions = [
        ("", operator)
        for operator in sorted({node.op_type for node in model.graph.node})
        if operator not in TABLE["operators"] and onnx.defs.has(operator, OPSET) and _is_function(operator)
    ]
    if functions:
        model = inliner.inline_selected_functions(model, functions, inline_schema_functions=True)
    types = _element_types(model)
    judged = [node for node in model.graph.node if node.name.startswith(prefix)]
    return [line for node in judged if (line := _complaint(node, types))]


def _is_function(operator: str) -> bool:
    schema = onnx.defs.get_schema(operator, OPSET)
    return bool(schema.has_function or schema.has_context_dependent_function)  # type: ignore[attr-defined]


def _element_types(model: ModelProto) -> dict[str, str]:
    """Name every tensor's element type as the kernel table does."""
    graph = shape_inference.infer_shapes(model).graph
    declared = {
        value.name: value.type.tensor_type.elem_type
        for value in [*graph.input, *graph.output, *graph.value_info]
    }
    stored = {tensor.name: tensor.data_type for tensor in graph.initializer}
    return {
        name: TensorProto.DataType.Name(code).lower() for name, code in (declared | stored).items() if code
    }


def _complaint(node: NodeProto, types: dict[str, str]) -> str:
    """Say why no kernel fits a node; empty if one does."""
    if node.op_type == "Constant":
        return ""  # an initialiser by the time a session runs
    kernel = TABLE["operators"].get(node.op_type)
    if kernel is None or node.domain not in {"", "ai.onnx"}:
        return f"{node.domain}{'::' if node.domain else ''}{node.op_type}: no kernel"
    schema = onnx.defs.get_schema(node.op_type, OPSET)
    since = schema.since_version
    if since != kernel["from"] and not (kernel["to"] and kernel["from"] < since <= kernel["to"]):
        return f"{node.op_type}: no kernel for the version of opset {OPSET}"
    for names, formals in ((node.input, schema.inputs), (node.output, schema.outputs)):
        for position, name in enumerate(names):
            formal = formals[min(position, len(formals) - 1)]
            allowed = kernel["types"].get(formal.type_str)
            found = _named(types, name, node) if name else ""
            if found and allowed is not None and found not in allowed:
                return f"{node.op_type}({found}): no kernel for this type"
    return ""


def _named(types: dict[str, str], name: str, node: NodeProto) -> str:
    found = types.get(name)
    if found is None:
        raise ValueError(f"the element type of {name!r} (node {node.name!r}) cannot be inferred")
    return found
