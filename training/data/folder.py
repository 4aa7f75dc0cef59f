"""Image folders: ``<part>/<class>/<picture>``."""

from pathlib import Path

from service.imaging.resize import ResizePolicy
from training.data.pictures import Pictures, from_files
from training.errors import DataError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


def has_part(root: Path, part: str) -> bool:
    """Say whether the data set comes with this part."""
    return (root / part).is_dir()


def read_folder(
    root: Path, part: str, *, policy: ResizePolicy, size: int, in_memory: bool, skip_corrupt: bool
) -> Pictures:
    """Read one part; the class of a picture is its folder, in alphabetical order.

    Raises:
        DataError: No such folder, no class folders, or a file that cannot be decoded.
    """
    folder = root / part
    if not folder.is_dir():
        raise DataError(
            f"{folder} is no folder; expected {part}/<class>/<picture> below {root}", where=str(folder)
        )
    # What begins with a dot is some program's own: .ipynb_checkpoints, or ._03.jpg from a Mac.
    classes = tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and _is_shown(entry)))
    if not classes:
        raise DataError(
            f"{folder} has no class folders; expected {part}/<class>/<picture>", where=str(folder)
        )
    files = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((folder / name).iterdir())
        if path.suffix.lower() in SUFFIXES and _is_shown(path)
    ]
    return from_files(
        classes, files, policy=policy, size=size, in_memory=in_memory, skip_corrupt=skip_corrupt
    )


def _is_shown(path: Path) -> bool:
    return not path.name.startswith(".")
