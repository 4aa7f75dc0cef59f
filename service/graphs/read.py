"""Read an ONNX file that somebody brings; every way in which it can be unreadable is one typed error."""

import math
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto, helper
from onnx.external_data_helper import load_external_data_for_model

from service.errors import GraphError

LARGEST_BYTES = 2**31 - 2**20
"""Protobuf cannot hold 2 GiB in one message, and every step of building passes whole models around as messages;
1 MiB is left for the nodes that are added."""


def read_model(path: Path) -> ModelProto:
    """Read a model with all its weights.

    Args:
        path: The ``.onnx`` file. External data is looked for beside it.

    Returns:
        The model, with external data loaded into it, lengths that are none left open.

    Raises:
        GraphError: The file is missing, is no ONNX model, refers to external data that is missing or too short,
            or holds 2 GiB or more.
    """
    if not path.is_file():
        raise GraphError(f"there is no file {path.name}; expected an ONNX model", where=path.name)
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise GraphError(
            f"{path.name} is not a readable ONNX model ({error}); export or download it again",
            where=path.name,
        ) from error
    if not model.graph.node:
        raise GraphError(f"{path.name} holds no graph; export or download it again", where=path.name)
    refuse_if_too_large(model, path)
    _open_lengths(model)
    try:
        load_external_data_for_model(model, str(path.parent))
    except (onnx.checker.ValidationError, OSError, ValueError) as error:
        raise GraphError(
            f"the external data of {path.name} cannot be read ({error}); keep the files of the export together",
            where=path.name,
        ) from error
    return model


def refuse_if_too_large(model: ModelProto, path: Path) -> None:
    """Refuse weights that would not fit into one protobuf message, before any of them is read.

    Args:
        model: The model, external data not loaded yet.
        path: Its file, for the message.

    Raises:
        GraphError: The weights reach 2 GiB.
    """
    size = model.ByteSize() + sum(map(_external_bytes, model.graph.initializer))
    if size >= LARGEST_BYTES:
        raise GraphError(
            f"{path.name} holds {size / 2**30:.1f} GiB; models of 2 GiB and more cannot be built into a bundle",
            where=path.name,
        )


def _open_lengths(model: ModelProto) -> None:
    """Leave open, in place, what some exporters write as a length of 0 or -1."""
    for value in [*model.graph.input, *model.graph.output]:
        for axis in value.type.tensor_type.shape.dim:
            if axis.HasField("dim_value") and axis.dim_value < 1:
                axis.ClearField("dim_value")


def _external_bytes(tensor: TensorProto) -> int:
    """Tell how much a tensor takes outside its file, by its shape and by what it declares, which it need not."""
    if tensor.data_location != TensorProto.EXTERNAL:
        return 0
    declared = [int(entry.value) for entry in tensor.external_data if entry.key == "length"]
    by_shape = math.prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return max([int(by_shape), *declared])
