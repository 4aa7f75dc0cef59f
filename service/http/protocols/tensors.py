"""Tensors of the Open Inference Protocol v2, as JSON and in its binary extension.

https://github.com/kserve/open-inference-protocol and, for the binary form and the classification extension,
https://github.com/triton-inference-server/server/tree/main/docs/protocol
"""

import struct
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.errors import OptionError
from service.http.protocols.base64_picture import from_base64
from service.http.protocols.schemas import InputTensor, OutputTensor
from service.http.work import Sent

IMAGE = "image"
PIXELS = "pixels"

Content: TypeAlias = "NDArray[np.generic] | Sequence[bytes]"
"""Numbers, or the elements of a BYTES tensor of one axis."""

_DATATYPES = {np.dtype(np.float32): "FP32", np.dtype(np.int64): "INT64"}
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Output:
    """A tensor to be sent.

    Args:
        name: Of the output.
        content: What it holds.
        is_text: Whether elements are UTF-8; in JSON other bytes travel as base64.
        shape: Of a BYTES tensor with more than one axis.
    """

    name: str
    content: Content
    is_text: bool = True
    shape: tuple[int, ...] | None = None


def read_pictures(inputs: Sequence[InputTensor], tail: bytes) -> list[Sent]:
    """Find the pictures: files in the BYTES tensor ``image``, or pixels in the UINT8 tensor ``pixels``.

    Args:
        inputs: As described in the JSON.
        tail: What follows the JSON: the tensors in binary form, one after the other.

    Raises:
        OptionError: Another tensor, or more than one, or its data does not fit what is said of it.
    """
    if len(inputs) != 1 or inputs[0].name not in {IMAGE, PIXELS}:
        found = ", ".join(repr(one.name)[:80] for one in inputs[:4]) or "none"
        raise OptionError(
            f"the inputs are {found}; expected one: {IMAGE} (BYTES: image files) or {PIXELS} (UINT8, "
            "[number, height, width, 3])",
            where="inputs",
        )
    (tensor,) = inputs
    size = tensor.parameters.get("binary_data_size")
    if (size is None and tail) or (size is not None and size != len(tail)):
        raise OptionError(
            f"binary_data_size = {size!r:.20}, but {len(tail)} bytes follow the JSON",
            where=f"inputs.{tensor.name}",
        )
    return _files(tensor, tail) if tensor.name == IMAGE else _pixels(tensor, tail)


def write_output(output: Output, *, is_binary: bool) -> tuple[OutputTensor, bytes]:
    """Describe a tensor, and give its bytes where they follow the JSON."""
    content = output.content
    if isinstance(content, np.ndarray):
        shape, datatype, raw = content.shape, _DATATYPES[content.dtype], content.tobytes()
        data = content.ravel().tolist()
    else:
        shape, datatype = output.shape or (len(content),), "BYTES"
        raw = b"".join(_LENGTH.pack(len(element)) + element for element in content)
        data = [element.decode() if output.is_text else b64encode(element).decode() for element in content]
    if is_binary:
        parameters = {"binary_data_size": len(raw)}
        return OutputTensor(name=output.name, shape=shape, datatype=datatype, parameters=parameters), raw
    return OutputTensor(name=output.name, shape=shape, datatype=datatype, data=data), b""


def best_classes(output: Output, labels: Sequence[str], count: int) -> Output:
    """Reduce scores to the best classes, as Triton's classification extension does: ``value:index:label``.

    Args:
        output: ``[N, C]``.
        labels: Of the C classes.
        count: How many to keep; all where there are fewer.
    """
    scores = np.asarray(output.content)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    texts = [
        f"{scores[row, index]:.6f}:{index}:{labels[index]}".encode()
        for row in range(len(scores))
        for index in order[row]
    ]
    return Output(output.name, texts, shape=order.shape)


def _files(tensor: InputTensor, tail: bytes) -> list[Sent]:
    where = f"inputs.{tensor.name}"
    _expect(
        tensor, "BYTES", tensor.shape and prod(tensor.shape) == tensor.shape[0], "[number] or [number, 1]"
    )
    if tail:
        files: list[Sent] = list(_split(tail, where))
    else:
        files = [from_base64(text, where=f"{where}.data") for text in _flat(tensor.data, where)]
    if len(files) != prod(tensor.shape):
        raise OptionError(f"{where} has shape {list(tensor.shape)} and {len(files)} elements", where=where)
    return files


def _pixels(tensor: InputTensor, tail: bytes) -> list[Sent]:
    where = f"inputs.{tensor.name}"
    shape = tensor.shape
    fits = len(shape) == 4 and shape[3] == 3 and min(shape) >= 1  # noqa: PLR2004 - number, height, width, channels
    _expect(tensor, "UINT8", fits, "[number, height, width, 3]")
    values = np.frombuffer(tail, np.uint8) if tail else np.fromiter(_levels(tensor.data, where), np.uint8)
    if values.size != prod(shape):
        raise OptionError(f"{where} has shape {list(shape)} and {values.size} elements", where=where)
    return list(values.reshape(shape))


def _levels(data: object, where: str) -> Iterable[int]:
    """Go through the numbers of a UINT8 tensor, one by one, so that other threads get their turn."""
    for number in _flat(data, where):
        if type(number) is not int or not 0 <= number <= 255:  # noqa: PLR2004 - UINT8
            raise OptionError(f"{where} holds something else than integers from 0 to 255", where=where)
        yield number


def _expect(tensor: InputTensor, datatype: str, fits: object, shape: str) -> None:
    if tensor.datatype != datatype or not fits:
        raise OptionError(
            f"inputs.{tensor.name} is {tensor.datatype[:20]} {list(tensor.shape[:8])}; expected {datatype} {shape}",
            where=f"inputs.{tensor.name}",
        )


def _split(raw: bytes, where: str) -> Iterable[bytes]:
    """Take the elements of a BYTES tensor apart: each is preceded by its length."""
    at = 0
    while at < len(raw):
        end = at + _LENGTH.size
        if end <= len(raw):
            end += _LENGTH.unpack_from(raw, at)[0]
        if end > len(raw) or end < at + _LENGTH.size:
            raise OptionError(f"{where} is cut short within an element", where=where)
        yield raw[at + _LENGTH.size : end]
        at = end


def _flat(data: object, where: str) -> Iterable[object]:
    """Go through a list, nested or not; the protocol allows both."""
    if not isinstance(data, list):
        raise OptionError(f"{where} has neither data nor binary_data_size", where=where)
    stack = [iter(data)]
    while stack:
        for element in stack[-1]:
            if isinstance(element, list):
                stack.append(iter(element))
                break
            yield element
        else:
            stack.pop()
