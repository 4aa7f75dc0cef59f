"""One image of a source: its name in the output, and where it is."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from saliserve_client.errors import FileError
from saliserve_client.images import ImageFile, read_image
from saliserve_client.scoring import remote


@dataclass(frozen=True)
class Item:
    """An image to score.

    Args:
        image: Its name in the output: below the folder for a folder, as written for a list; printable.
        path: Where it is; an address if it is not on this machine.
    """

    image: str
    path: Path | str

    def read(self) -> ImageFile:
        """Read it.

        Raises:
            FileError: It cannot be read, or is none, such as a pipe, for which a run would wait for ever.
            ImageTooLargeError: It is no picture that a service takes.
        """
        if not isinstance(self.path, Path):
            return remote.read(self.path)
        if _is_special(self.path):
            raise FileError(f"{self.path}: neither a file nor a folder, but a pipe, a socket or a device")
        return read_image(self.path)


def _is_special(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # whoever reads it says what is wrong
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
