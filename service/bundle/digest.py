"""SHA-256 of the files of a bundle: recorded when it is built, checked whenever it is read."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from service.bundle.manifest import FileEntry
from service.errors import DigestError


def sha256_of(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(path: Path) -> FileEntry:
    """Record a file's size and digest."""
    return FileEntry(bytes=path.stat().st_size, sha256=sha256_of(path))


def check_digests(folder: Path, files: Mapping[str, FileEntry]) -> None:
    """Check that every file is there, within the folder, and has the recorded content.

    Args:
        folder: The bundle's folder.
        files: What the manifest records, by plain file name.

    Raises:
        DigestError: A file is missing, lies outside the folder through a link, or differs.
    """
    for name, expected in files.items():
        _check(folder, name, expected)


def read_verified(folder: Path, name: str, expected: FileEntry) -> bytes:
    """Read a file of a bundle and check the very bytes that are returned.

    Whoever checks a file and opens it again later may find another one.

    Raises:
        DigestError: The file cannot be read or differs.
    """
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DigestError(
            f"{path} cannot be read ({error.strerror}). Copy the whole bundle again.", where=name
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected.sha256:
        raise _altered(path, found, expected)
    return content


def _check(folder: Path, name: str, expected: FileEntry) -> None:
    path = folder / name
    if not path.is_file():
        raise DigestError(
            f"{path} is missing; the manifest lists it. Copy the whole bundle again.", where=name
        )
    # A link within the folder is how some storage mounts files; one that leads out of it names other files.
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DigestError(
            f"{path} is a link to {path.resolve()}, outside the bundle; copy the file itself.", where=name
        )
    size = path.stat().st_size
    if size != expected.bytes:
        raise DigestError(
            f"{path} has {size} bytes; the manifest says {expected.bytes}. Copy the whole bundle again.",
            where=name,
        )
    found = sha256_of(path)
    if found != expected.sha256:
        raise _altered(path, found, expected)


def _altered(path: Path, found: str, expected: FileEntry) -> DigestError:
    return DigestError(
        f"{path} has SHA-256 {found}; the manifest says {expected.sha256}. The file was altered or damaged: copy "
        "the whole bundle again, or rebuild it.",
        where=path.name,
    )
