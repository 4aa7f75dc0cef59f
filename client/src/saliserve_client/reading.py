"""Typed reading of a JSON answer: what is missing or of another type is named by its place."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from saliserve_client.errors import UnexpectedAnswerError


@dataclass(frozen=True)
class Fields:
    """A JSON object and its place in the answer.

    Fields that this client does not know are ignored: a newer service may add, but never rename.

    Args:
        values: The object.
        place: Where it is, for messages; empty for the answer itself.

    Examples:
        >>> fields = Fields({"model": {"name": "cat"}})
        >>> fields.child("model").text("name")
        'cat'
        >>> fields.child("model").text("version")
        Traceback (most recent call last):
        saliserve_client.errors.UnexpectedAnswerError: model.version: nothing where a text is expected
    """

    values: Mapping[str, Any]
    place: str = ""

    def text(self, name: str, default: str | None = None) -> str:
        """Read a string; with a *default*, it may be missing or null."""
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        return value if isinstance(value, str) else self._wrong(name, "a text")

    def optional_text(self, name: str) -> str | None:
        """Read a string that may be missing or null."""
        return None if self.values.get(name) is None else self.text(name)

    def number(self, name: str) -> float:
        """Read a number."""
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return self._wrong(name, "a number")
        return float(value)

    def optional_number(self, name: str) -> float | None:
        """Read a number that may be missing or null."""
        return None if self.values.get(name) is None else self.number(name)

    def count(self, name: str) -> int:
        """Read a whole number."""
        value = self.values.get(name)
        return (
            value if isinstance(value, int) and not isinstance(value, bool) else self._wrong(name, "a count")
        )

    def flag(self, name: str) -> bool:
        """Read true or false."""
        value = self.values.get(name)
        return value if isinstance(value, bool) else self._wrong(name, "true or false")

    def texts(self, name: str) -> tuple[str, ...]:
        """Read a list of strings; missing counts as empty."""
        return tuple(str(item) for item in self._list(name))

    def numbers(self, name: str) -> dict[str, float]:
        """Read an object of numbers; missing counts as empty, entries that are null are left out."""
        child = self.child(name, optional=True)
        return {key: child.number(key) for key, value in child.values.items() if value is not None}

    def child(self, name: str, *, optional: bool = False) -> Fields:
        """Read an object; an *optional* one may be missing or null and is then empty."""
        value = self.values.get(name)
        if value is None and optional:
            value = {}
        return Fields(value if isinstance(value, dict) else self._wrong(name, "an object"), self._at(name))

    def children(self, name: str) -> Iterator[Fields]:
        """Read a list of objects; missing counts as empty."""
        for index, item in enumerate(self._list(name)):
            place = f"{self._at(name)}[{index}]"
            if not isinstance(item, dict):
                raise UnexpectedAnswerError(f"{place}: {type(item).__name__} where an object is expected")
            yield Fields(item, place)

    def binary(self, name: str) -> bytes:
        """Read base64."""
        try:
            return base64.b64decode(self.text(name), validate=True)
        except binascii.Error:
            return self._wrong(name, "base64")

    def _list(self, name: str) -> list[Any]:
        value = self.values.get(name)
        if value is None:
            return []
        return value if isinstance(value, list) else self._wrong(name, "a list")

    def _at(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name

    def _wrong(self, name: str, expected: str) -> NoReturn:
        value = self.values.get(name)
        found = "nothing" if value is None else type(value).__name__
        raise UnexpectedAnswerError(f"{self._at(name)}: {found} where {expected} is expected")
