"""Which images a run is about: a folder, a glob pattern, or a list of paths."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath, PurePosixPath
from typing import Protocol

from saliserve_client.errors import FileError
from saliserve_client.files import printable
from saliserve_client.scoring import remote
from saliserve_client.scoring.item import Item
from saliserve_client.scoring.lists import EXPECTED, decoded, lines, read_list

TAKEN = frozenset(
    {".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pjp", ".pjpeg"}
    | {".apng", ".png", ".tif", ".tiff", ".webp"}
)
NOT_TAKEN = frozenset({".avif", ".heic", ".heif", ".jp2", ".jxl", ".pgm", ".ppm"})
"""Of these no service makes anything, but a picture of a phone that has no row would be missed by nobody."""

EXTENSIONS = TAKEN | NOT_TAKEN
"""File names that count as images when a folder is searched. A list or pattern is taken as it is."""

LISTS = frozenset({".txt", ".list", ".lst"})


class Images(Protocol):
    """Whatever can list images."""

    def items(self) -> Iterator[Item]:
        """List them."""
        ...


@dataclass(frozen=True)
class Source:
    """Images, found anew each time they are asked for, in a fixed order.

    Args:
        given: FOLDER, PATTERN, LIST (``.txt``, one path a line, ``#`` begins a comment line) or
            PARQUET with a column ``image``; ``-`` is a list on standard input. All but the last may be
            addresses that fsspec knows, such as ``s3://bucket/folder``.
    """

    given: str

    def items(self) -> Iterator[Item]:
        """List the images; a name that comes twice is given once.

        Raises:
            FileError: Nothing there, or no image in it.
        """
        found = False
        for item in self._found():
            found = True
            yield item
        if not found:
            raise FileError(f"{_called(self.given)}: no image in it{_hint(self.given)}")

    @cached_property
    def _standard_input(self) -> list[str]:
        try:
            return lines(sys.stdin.read(), "standard input")
        except UnicodeDecodeError as error:
            raise FileError(f"standard input: cannot be read as a list: {error}; {EXPECTED}") from error

    def _found(self) -> Iterator[Item]:
        try:
            return self._looked_for()
        except OSError as error:
            raise FileError(f"{self.given}: cannot be read: {error.strerror or error}") from error

    def _looked_for(self) -> Iterator[Item]:
        if remote.is_address(self.given):
            return _at(self.given)
        path = Path(self.given)
        if not self.given:
            raise FileError("no images are named: an empty name is no folder, list or pattern")
        if self.given == "-":
            return _listed(self._standard_input, Path())
        if path.is_dir():
            return _below(path)
        if path.is_file():
            return _from_file(path)
        if glob.has_magic(self.given):
            return _once(Item(printable(name), Path(name)) for name in sorted(_matching(self.given)))
        raise FileError(f"{self.given}: no such folder, list or pattern")


def _at(address: str) -> Iterator[Item]:
    found = remote.kind(address)
    if found == "folder":
        names = remote.below(address)
        return (Item(name, each) for name, each in names if _is_image(PurePosixPath(name)))
    if found == "file":
        return _from_file_at(address)
    if glob.has_magic(address):
        return (Item(each, each) for each in remote.matching(address))
    raise FileError(f"{address}: no such folder, list or pattern")


def _from_file_at(address: str) -> Iterator[Item]:
    name = PurePosixPath(address)
    suffix = name.suffix.lower()
    if suffix in LISTS:
        return _listed(decoded(remote.content(address).read(), address), remote.parent(address))
    if suffix == ".parquet":
        from saliserve_client.scoring.parquet import column  # noqa: PLC0415 - pyarrow is optional

        return _listed(column(remote.content(address), "image", called=address), remote.parent(address))
    if suffix in EXTENSIONS:
        return iter([Item(name.name, address)])
    raise FileError(f"{address}: neither a folder nor a list (.txt) nor an image")


def _is_image(path: PurePath) -> bool:
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")


def _matching(pattern: str) -> list[str]:
    # pathlib's glob takes no absolute pattern.
    return [name for name in glob.glob(pattern, recursive=True) if Path(name).is_file()]  # noqa: PTH207


def _below(folder: Path) -> Iterator[Item]:
    for parent, folders, names in os.walk(folder, onerror=_unreadable):
        folders.sort()
        here = Path(parent)
        below = here.relative_to(folder)
        for name in sorted(names):
            if _is_image(PurePath(name)):
                yield Item(printable((below / name).as_posix()), here / name)


def _unreadable(error: OSError) -> None:
    raise FileError(f"{error.filename}: cannot be read: {error.strerror or error}") from error


def _from_file(path: Path) -> Iterator[Item]:
    suffix = path.suffix.lower()
    if suffix in LISTS:
        return _listed(read_list(path), path.parent)
    if suffix == ".parquet":
        from saliserve_client.scoring.parquet import column  # noqa: PLC0415 - pyarrow is optional

        return _listed(column(path, "image", called=str(path)), path.parent)
    if suffix in EXTENSIONS:
        return iter([Item(path.name, path)])
    raise FileError(f"{path}: neither a folder nor a list (.txt) nor an image")


def _listed(paths: list[str], folder: Path | str) -> Iterator[Item]:
    """Paths in a list are relative to the list's folder, so that both can move together."""
    names = (path.strip() for path in paths)
    return _once(
        Item(printable(name), _joined(folder, name)) for name in names if name and not name.startswith("#")
    )


def _once(items: Iterator[Item]) -> Iterator[Item]:
    """Leave out names that came before. In a folder none does, and ten million names need not be remembered."""
    seen: set[str] = set()
    for item in items:
        if item.image not in seen:
            seen.add(item.image)
            yield item


def _joined(folder: Path | str, name: str) -> Path | str:
    if remote.is_address(name):
        return name
    return folder / name if isinstance(folder, Path) else f"{folder}/{name}"


def _called(given: str) -> str:
    return "standard input" if given == "-" else given


def _hint(given: str) -> str:
    """Say what would be one, where a folder was searched."""
    return f"; searched for {', '.join(sorted(TAKEN))}" if Path(given).is_dir() else ""
