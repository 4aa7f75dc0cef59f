"""One weight file for all graphs of a bundle.

The gradient graphs hold the classifier's weights again. Kept inside each file, they would be stored, copied and
verified three times; as external data, all graphs point into one ``weights.bin``.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import onnx
from onnx import ModelProto, TensorProto, numpy_helper

SMALLEST_BYTES = 1024
"""Smaller tensors stay in their graph: a page of padding would cost more than it saves."""

PAGE_BYTES = 4096
"""Offsets are multiples of this, so that a tensor can be mapped into memory where it lies."""


def write_graphs(graphs: Mapping[str, ModelProto], folder: Path, weights: str) -> tuple[str, ...]:
    """Write the graphs, every large tensor once and in one file.

    Tensors are told apart by content, not by name, and written in order of first use: the same graphs give the
    same bytes.

    Args:
        graphs: The graphs by file name. Their tensors are replaced by references, in place.
        folder: Where to write.
        weights: Name of the weight file.

    Returns:
        Names of the files that were written; *weights* is among them if any tensor is large.
    """
    offsets: dict[bytes, int] = {}
    with (folder / weights).open("wb") as file:
        for model in graphs.values():
            for tensor in _large(model):
                content = _content(tensor)
                if content not in offsets:
                    offsets[content] = _append(file, content)
                _refer(tensor, weights, offsets[content], len(content))
    for name, model in graphs.items():
        (folder / name).write_bytes(model.SerializeToString(deterministic=True))
    if offsets:
        return (*graphs, weights)
    (folder / weights).unlink()
    return tuple(graphs)


def _large(model: ModelProto) -> Iterator[TensorProto]:
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.STRING and _size(tensor) >= SMALLEST_BYTES:
            yield tensor


def _size(tensor: TensorProto) -> int:
    if tensor.HasField("raw_data"):
        return len(tensor.raw_data)
    return int(numpy_helper.to_array(tensor).nbytes)


def _content(tensor: TensorProto) -> bytes:
    """Give the tensor's values as external data holds them: little-endian, in row order."""
    if not tensor.HasField("raw_data"):
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
    return tensor.raw_data


def _append(file: BinaryIO, content: bytes) -> int:
    offset = -(-file.tell() // PAGE_BYTES) * PAGE_BYTES
    file.write(bytes(offset - file.tell()))
    file.write(content)
    return offset


def _refer(tensor: TensorProto, location: str, offset: int, length: int) -> None:
    onnx.external_data_helper.set_external_data(tensor, location, offset, length)
    tensor.ClearField("raw_data")
