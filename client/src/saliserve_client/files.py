"""Writing files so that a reader sees the whole of one or nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saliserve_client.errors import OutputError


def write_whole(path: Path, data: bytes, *, durable: bool = False, owner: str = "") -> None:
    """Write a file by way of a temporary one beside it; folders are made as needed.

    Args:
        path: Replaced if it exists.
        data: All of it.
        durable: Wait until the disk has it, so that it survives a power cut.
        owner: Names the temporary file's writer; by default this process. Work that is killed and goes on in
            another process, which writes the same files again, keeps its name and so leaves nothing behind.

    Raises:
        OutputError: The disk is full, or writing is not permitted.
    """
    temporary = path.with_name(f".{path.name}.{owner or os.getpid()}.part")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if durable:
            sync_folder(path.parent)


def write_json(path: Path, value: object, *, durable: bool = False, owner: str = "") -> None:
    """Write indented JSON as :func:`write_whole` does."""
    write_whole(path, json_text(value).encode() + b"\n", durable=durable, owner=owner)


def json_text(value: object, *, encoding: str = "utf-8") -> str:
    r"""Write indented JSON in letters as they are, or escaped where the encoding has none for some of them.

    A file name that is no UTF-8 has none in any encoding; escaped, it is read back as the name that it was.

    Examples:
        >>> print(json_text("café"), json_text("café", encoding="ascii"), json_text("caf\udce9"))
        "café" "caf\u00e9" "caf\udce9"
    """
    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return json.dumps(value, indent=2)
    return text


def printable(name: str) -> str:
    r"""Make a text that any table can hold of a file name: bytes that are no UTF-8 become ``\xe9`` and the like.

    Examples:
        >>> print(printable("caf\udce9.jpg"), printable("café.jpg"))
        caf\xe9.jpg café.jpg
    """
    kept = "surrogatepass" if os.name == "nt" else "surrogateescape"
    return name.encode("utf-8", kept).decode("utf-8", "backslashreplace")


def sync_folder(folder: Path) -> None:
    """Make names in a folder survive a power cut; no-op where folders cannot be opened (Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file in every failure to write it.

    Raises:
        OutputError: In place of the ``OSError``.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
