"""Pictures as they are sent: path, bytes or binary file -> name and bytes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeAlias, Union

from saliserve_client.errors import FileError, ImageTooLargeError
from saliserve_client.files import printable

ImageSource: TypeAlias = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, BinaryIO]
"""A path, the bytes of a picture file, or a file opened for reading in binary."""

MAX_BYTES = 256 * 2**20
"""No service takes pictures this large; the limit keeps a mistaken path from filling the memory."""


@dataclass(frozen=True)
class ImageFile:
    """A picture file in memory.

    Args:
        name: For messages; the path, or the name of the open file, as a text that can be sent.
        data: The file as it is, not decoded.
    """

    name: str
    data: bytes = field(repr=False)


def read_image(source: ImageSource) -> ImageFile:
    """Take a picture from wherever it is.

    Args:
        source: A ``str`` is always a path, never data.

    Raises:
        FileError: Nothing there, a folder, not permitted, or a file opened as text.
        ImageTooLargeError: More than :data:`MAX_BYTES`.

    Examples:
        >>> read_image(b"GIF89a").data
        b'GIF89a'
        >>> read_image("/nowhere/cat.jpg")
        Traceback (most recent call last):
        saliserve_client.errors.FileError: /nowhere/cat.jpg: no such file
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return ImageFile("image", bytes(source))
    if isinstance(source, (str, os.PathLike)):
        return _from_path(Path(source))
    return _from_file(source)


def _from_path(path: Path) -> ImageFile:
    try:
        with path.open("rb") as file:
            return ImageFile(printable(str(path)), bounded(file, str(path)))
    except IsADirectoryError:
        raise FileError(
            f"{path}: a folder where an image is expected; `saliserve score {path}` scores all images in it"
        ) from None
    except FileNotFoundError:
        raise FileError(f"{path}: no such file") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a null byte in the path
        raise FileError(f"{str(path)!r}: not a path: {error}") from error


def _from_file(file: BinaryIO) -> ImageFile:
    name = str(getattr(file, "name", "image"))
    if not hasattr(file, "read"):
        raise FileError(
            f"an image as {type(file).__name__}; expected a path, bytes or a file opened for reading in binary"
        )
    return ImageFile(printable(name), bounded(file, name))


def bounded(file: BinaryIO, name: str) -> bytes:
    """Read a file, but no more of it than a picture may have.

    Raises:
        FileError: It is opened as text.
        ImageTooLargeError: It goes on after :data:`MAX_BYTES`.
    """
    data = file.read(MAX_BYTES + 1)
    if not isinstance(data, bytes):
        raise FileError(f"{name}: opened as text; open it with mode 'rb'")
    if len(data) > MAX_BYTES:
        raise ImageTooLargeError(f"{name}: more than {MAX_BYTES // 2**20} MiB", where="image")
    return data
