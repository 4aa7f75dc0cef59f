"""Put a finished folder in its place in one step, so that no reader ever meets half a bundle."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.errors import BundleBuildError


@contextmanager
def building(destination: Path, *, force: bool) -> Iterator[Path]:
    """Give an empty folder to build in, and move it to its destination when all went well.

    The folder lies on the same file system, hidden from :func:`service.bundle.load.find_bundles`, and its last two
    names are the destination's. If the body raises, it is removed and the destination is as before.

    Args:
        destination: ``<models>/<name>/<version>``.
        force: Replace what is there.

    Yields:
        The folder to build in.

    Raises:
        BundleBuildError: The destination exists and *force* is off, or it cannot be written to.
    """
    if destination.exists() and not force:
        raise BundleBuildError(
            f"{destination} exists; choose another version, or replace it with --force",
            where=str(destination),
        )
    models = destination.parent.parent
    try:
        models.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".building-", dir=models))
    except OSError as error:
        raise BundleBuildError(f"cannot write to {models}: {error.strerror}", where=str(models)) from error
    try:
        folder = scratch / destination.parent.name / destination.name
        folder.mkdir(parents=True)
        yield folder
        _replace(folder, destination, scratch / "replaced")
    finally:
        shutil.rmtree(scratch)


def _replace(folder: Path, destination: Path, aside: Path) -> None:
    try:
        destination.parent.mkdir(exist_ok=True)
        if destination.exists():
            destination.rename(aside)
        folder.rename(destination)
    except OSError as error:
        raise BundleBuildError(
            f"cannot put the bundle at {destination}: {error.strerror}. {_as_it_was(destination, aside)}",
            where=str(destination),
        ) from error


def _as_it_was(destination: Path, aside: Path) -> str:
    """Put back what was there, if anything was, and say what the reader of the error finds there."""
    if aside.exists():
        aside.rename(destination)
        return "What was there is there again."
    if destination.exists():
        return "What is there was not touched."
    return "Nothing was there, and nothing is."
