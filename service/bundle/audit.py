"""What a graph file of a bundle may hold, checked before ONNX Runtime opens it.

A digest tells that a file is what the manifest says, not that it is harmless: whoever writes a bundle writes both.
So a graph may use standard operators only, and point to no file but the bundle's own weights.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from service.bundle.manifest import ATTENTION, CLASSIFY, FEATURES, GRADIENT, GUIDED, WEIGHTS, Manifest
from service.errors import BundleError

STANDARD_DOMAINS = frozenset({"", "ai.onnx"})

SIGNATURES = {
    CLASSIFY: (("image",), ("logits",)),
    GRADIENT: (("image", "cotangent"), ("logits", "gradient")),
    FEATURES: (("image", "cotangent"), ("logits", "features", "feature_gradient")),
    GUIDED: (("image", "cotangent"), ("logits", "gradient")),
    ATTENTION: (("image", "cotangent"), ("logits", "relevance")),
}
"""Inputs and outputs of every graph, by file name."""


def audit_graph(path: Path, manifest: Manifest) -> None:
    """Refuse a graph that is not what the manifest says, or that could reach beyond the bundle.

    Args:
        path: A graph file whose digest was checked.
        manifest: The manifest that lists it.

    Raises:
        BundleError: The file is no ONNX model; it uses operators of its own or of another opset; it refers to
            another file or beyond the end of the weights; its inputs and outputs are not those of its kind.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise _refusal(path, f"is no ONNX model ({error})") from error
    _check_operators(path, model, manifest.opset)
    _check_tensors(path, model, manifest)
    _check_signature(path, model, manifest)


def _check_operators(path: Path, model: ModelProto, opset: int) -> None:
    if model.functions or model.training_info:
        raise _refusal(path, "defines functions or training steps of its own")
    versions = {entry.domain: entry.version for entry in model.opset_import}
    foreign = {node.domain for graph in _graphs(model.graph) for node in graph.node} | set(versions)
    foreign -= STANDARD_DOMAINS
    if foreign:
        raise _refusal(
            path, f"uses operators of {sorted(foreign)}; only standard ONNX operators are accepted"
        )
    if set(versions.values()) != {opset}:
        raise _refusal(path, f"has opset {sorted(versions.values())}; the manifest says {opset}")


def _check_tensors(path: Path, model: ModelProto, manifest: Manifest) -> None:
    available = manifest.files[WEIGHTS].bytes if WEIGHTS in manifest.files else 0
    for graph in _graphs(model.graph):
        for tensor in _tensors(graph):
            if tensor.data_location == TensorProto.EXTERNAL:
                _check_reference(path, tensor, available)


def _check_reference(path: Path, tensor: TensorProto, available: int) -> None:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    if entries.get("location") != WEIGHTS:
        raise _refusal(
            path, f"keeps tensor {tensor.name!r} in {entries.get('location')!r}; expected {WEIGHTS!r}"
        )
    offset, length = entries.get("offset", ""), entries.get("length", "")
    if not (offset.isdecimal() and length.isdecimal() and int(offset) + int(length) <= available):
        raise _refusal(
            path,
            f"places tensor {tensor.name!r} at offset {offset!r}, length {length!r} of {WEIGHTS}, which has "
            f"{available} bytes",
        )


def _check_signature(path: Path, model: ModelProto, manifest: Manifest) -> None:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = {value.name: value for value in model.graph.input if value.name not in weights}
    outputs = {value.name: value for value in model.graph.output}
    expected_inputs, expected_outputs = SIGNATURES[path.name]
    if (set(inputs), set(outputs)) != (set(expected_inputs), set(expected_outputs)):
        raise _refusal(
            path,
            f"maps {list(inputs)} to {list(outputs)}; expected {list(expected_inputs)} to {list(expected_outputs)}",
        )
    image = (3, manifest.input.height, manifest.input.width)
    classes = (len(manifest.classes),)
    for value, expected in ((inputs["image"], image), (outputs["logits"], classes)):
        _check_value(path, value, expected)


def _check_value(path: Path, value: ValueInfoProto, expected: tuple[int, ...]) -> None:
    tensor = value.type.tensor_type
    found = tuple(axis.dim_value for axis in tensor.shape.dim[1:])
    if tensor.elem_type != TensorProto.FLOAT or found != expected:
        kind = TensorProto.DataType.Name(tensor.elem_type).lower()
        raise _refusal(
            path, f"has {value.name!r} as {kind} [N, {found}]; the manifest says float [N, {expected}]"
        )


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """Yield a graph and every graph inside its control flow."""
    yield graph
    for attribute in _attributes(graph.node):
        for inner in (attribute.g, *attribute.graphs):
            if inner.ByteSize():
                yield from _graphs(inner)


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Yield every tensor that a graph holds itself: weights, sparse weights and constants."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for attribute in _attributes(graph.node):
        yield from (attribute.t, *attribute.tensors)
        for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
            yield from (sparse.values, sparse.indices)


def _attributes(nodes: Iterable[NodeProto]) -> Iterator[AttributeProto]:
    for node in nodes:
        yield from node.attribute


def _refusal(path: Path, found: str) -> BundleError:
    return BundleError(f"{path} {found}. Rebuild the bundle from its source.", where=path.name)
