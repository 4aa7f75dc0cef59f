"""A list of images as text: a path a line, in UTF-8, with the line ends of any system."""

from __future__ import annotations

from pathlib import Path

from saliserve_client.errors import FileError

EXPECTED = "expected a path a line, in UTF-8"


def read_list(path: Path) -> list[str]:
    """Read the lines of a list.

    Raises:
        FileError: It cannot be read, or is none.
    """
    try:
        return decoded(path.read_bytes(), str(path))
    except OSError as error:
        raise FileError(f"{path}: cannot be read as a list: {error}") from error


def decoded(data: bytes, called: str) -> list[str]:
    """Take the lines of a list that was read.

    Raises:
        FileError: It is none.
    """
    try:
        return lines(data.decode("utf-8"), called)
    except UnicodeDecodeError as error:
        raise FileError(f"{called}: cannot be read as a list: {error}; {EXPECTED}") from error


def lines(text: str, called: str) -> list[str]:
    r"""Split at the line ends of any system, and at nothing else: a name may hold what Unicode calls a line end.

    Raises:
        FileError: Names are separated by null bytes, as ``find -print0`` does.

    Examples:
        >>> lines("a.jpg\r\nb\u2028c.jpg", "list.txt")
        ['a.jpg', 'b\u2028c.jpg']
    """
    if "\0" in text:
        raise FileError(f"{called}: null bytes in it; {EXPECTED}")
    # Windows' editors begin with a mark that is no part of the first name.
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
