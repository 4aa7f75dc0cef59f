"""Tells a file that cannot be read from a source that is gone, such as a share that is unmounted during a run."""

from __future__ import annotations

from saliserve_client.errors import FileError, ImageError
from saliserve_client.scoring.item import Item

MOST_AT_FIRST = 1_000
"""Held back while no image could be read: a list may begin with files that were deleted since it was made."""


class Absence:
    """Files that could not be read, held back until one that can be says whose fault that is.

    The witness is an image that has been read before. While it still can be, a file that cannot is alone with that. If
    it cannot either, files are held back; the next one that can be read has them tried again, and *most* of them
    without one mean that the source is gone.

    Args:
        most: Held back before the run stops; :data:`MOST_AT_FIRST` where no image could be read yet.
    """

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._witness: Item | None = None
        self._held: list[tuple[Item, FileError]] = []

    def remember(self, item: Item) -> None:
        """Take an image for witness that was read in an earlier start."""
        self._witness = item

    def seen(self, item: Item) -> list[Item]:
        """Take an image for witness that was read just now, and give those that are to be tried again."""
        self._witness = item
        held, self._held = self._held, []
        return [each for each, _ in held]

    def is_alone(self) -> bool:
        """Tell whether the witness can still be read; reads it."""
        if self._witness is None:
            return False
        try:
            self._witness.read()
        except FileError:
            return False
        except ImageError:  # larger than a picture may be, so it is there
            return True
        return True

    def hold(self, item: Item, error: FileError) -> None:
        """Keep a file back that could not be read, while no other could.

        Raises:
            FileError: It is one too many.
        """
        self._held.append((item, error))
        if len(self._held) >= (MOST_AT_FIRST if self._witness is None else self._most):
            raise self._gone()

    def left(self) -> list[tuple[Item, FileError]]:
        """Give what is held at the end and has no excuse: the witness can be read, or there is none and few are held.

        Raises:
            FileError: The source is gone.
        """
        few = self._witness is None and len(self._held) < self._most
        if self._held and not few and not self.is_alone():
            raise self._gone()
        held, self._held = self._held, []
        return held

    def _gone(self) -> FileError:
        number = len(self._held)
        images = "an image" if number == 1 else f"{number} images in a row"
        before = "" if self._witness is None else f", nor can {self._witness.image}, which could be before"
        return FileError(
            f"{images} cannot be read{before}. Is the folder or share still there? What has no row yet is scored when "
            f"the same command is started again. The last: {self._held[-1][1].detail}"
        )
