"""Images at addresses, such as ``s3://bucket/folder``. The only file that needs fsspec."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

from saliserve_client.errors import FileError, MissingPackageError, SaliserveError
from saliserve_client.images import ImageFile, bounded


def is_address(given: str) -> bool:
    """Tell an address from a path.

    Examples:
        >>> is_address("s3://bucket/cats"), is_address("cats"), is_address("C:/cats")
        (True, False, False)
    """
    return "://" in given


def read(address: str) -> ImageFile:
    """Read a picture.

    Raises:
        FileError: Nothing there, or not permitted.
        ImageTooLargeError: It is no picture that a service takes.
    """
    system, path = _opened(address)
    with _asking(address), system.open(path, "rb") as file:
        return ImageFile(address, bounded(file, address))


def kind(address: str) -> str:
    """Say what is there: ``folder``, ``file``, or ``nothing``.

    Raises:
        FileError: The address is none, or what is behind it cannot be asked.
    """
    system, path = _opened(address)
    with _asking(address):
        return "folder" if system.isdir(path) else "file" if system.isfile(path) else "nothing"


def below(folder: str) -> Iterator[tuple[str, str]]:
    """List the files below a folder, in the order of their names: the name below it, and the address."""
    system, path = _opened(folder)
    root = PurePosixPath("/" + path.strip("/"))
    with _asking(folder):
        names = sorted(system.find(path))
    for found in names:
        name = PurePosixPath("/" + found.strip("/")).relative_to(root).as_posix()
        yield name, system.unstrip_protocol(found)


def matching(pattern: str) -> Iterator[str]:
    """List the addresses of the files that a pattern fits, in order; hidden ones fit none, as in a shell."""
    system, path = _opened(pattern)
    with _asking(pattern):
        names = sorted(filter(system.isfile, system.glob(path)))
    for found in names:
        if not PurePosixPath(found).name.startswith("."):
            yield system.unstrip_protocol(found)


def content(address: str) -> io.BytesIO:
    """Read a list of images whole.

    Raises:
        FileError: It cannot be read.
    """
    system, path = _opened(address)
    with _asking(address):
        return io.BytesIO(system.cat_file(path))


def parent(address: str) -> str:
    """Name the folder of a file.

    Examples:
        >>> parent("s3://bucket/lists/day.txt")
        's3://bucket/lists'
    """
    return address.rpartition("/")[0]


@contextmanager
def _asking(address: str) -> Iterator[None]:
    """Name the address in every failure.

    Each store's library has errors of its own, and what fsspec does not translate comes as it is: an expired token is
    a ``GoogleAuthError``, a missing one a ``BotoCoreError``, a network that is down an ``aiohttp.ClientError`` or an
    ``AzureError``. All of these descend from ``Exception`` alone, and none of the libraries is known here. So nothing
    but calls of a store, and the reading of what it gives, may stand under this.

    Raises:
        FileError: In place of all of them.
    """
    try:
        yield
    except SaliserveError:
        raise
    except FileNotFoundError:
        raise FileError(f"{address}: no such file") from None
    except Exception as error:
        raise FileError(f"{address}: cannot be read: {str(error) or type(error).__name__}") from error


def _opened(address: str) -> tuple[Any, str]:
    """Find who serves an address, and its path there.

    Raises:
        FileError: Nobody does.
        MissingPackageError: fsspec, or what it needs for this kind of address, is not installed.
    """
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingPackageError(
            "fsspec is needed to read from addresses: pip install 'saliserve-client[ray]', or fsspec alone"
        ) from error
    with _asking(address):
        try:
            system, path = url_to_fs(address)
        except ImportError as error:
            raise MissingPackageError(f"{address}: {error}") from error
        except ValueError as error:
            raise FileError(f"{address}: {error}") from error
    return system, path
