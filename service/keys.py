"""Who may call: API keys, of which the service knows only the SHA-256 digests.

``python -m service.keys NAME`` makes a key and the line that lets the service know it.
"""

import argparse
import hashlib
import hmac
import re
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from service.errors import SettingsError
from service.settings import Settings

_LINE = re.compile(r"([A-Za-z0-9._@-]{1,64}):([0-9a-f]{64})")

_KEY_BYTES = 32
"""Of chance: no salt and no slow hash is needed for what nobody can guess."""


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """The keys that are accepted.

    Args:
        digests: SHA-256 of each key, by the name of its owner.
    """

    digests: dict[str, bytes]

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """Read the operator's keys.

        Returns:
            None where neither setting is given: then everybody may call.

        Raises:
            SettingsError: The file cannot be read, there is no key in what is given, or a line is not ``name:digest``.
        """
        if settings.keys_file is None and "keys" not in settings.model_fields_set:
            return None
        lines = list(settings.keys)
        if settings.keys_file is not None:
            lines += _read(settings.keys_file)
        digests: dict[str, bytes] = {}
        for line in lines:
            name, digest = _parsed(line)
            if name in digests:
                raise SettingsError(
                    f"two API keys are named {name!r}; expected one each", where="SALISERVE_KEYS"
                )
            digests[name] = digest
        if not digests:
            setting = "SALISERVE_KEYS" if settings.keys_file is None else "SALISERVE_KEYS_FILE"
            raise SettingsError(
                f"{settings.keys_file or setting} holds no key. Make one with `python -m service.keys NAME`, or unset "
                f"{setting}.",
                where=setting,
            )
        return cls(digests)

    def owner_of(self, key: bytes) -> str | None:
        """Name the owner of a key, in a time that says nothing about the keys; None if it is unknown.

        Examples:
            >>> Keys({"me": hashlib.sha256(b"secret").digest()}).owner_of(b"secret")
            'me'
        """
        offered = hashlib.sha256(key).digest()
        # All are compared, whichever fits.
        fits = [name for name, digest in self.digests.items() if hmac.compare_digest(offered, digest)]
        return fits[0] if fits else None


def make_key(name: str) -> tuple[str, str]:
    """Make a key, and the line by which the service knows it.

    Raises:
        SettingsError: The name does not fit such a line.
    """
    key = f"saliserve_{secrets.token_urlsafe(_KEY_BYTES)}"
    line = f"{name}:{hashlib.sha256(key.encode()).hexdigest()}"
    _parsed(line)
    return key, line


def _read(file: Path) -> list[str]:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"SALISERVE_KEYS_FILE: {error}", where="SALISERVE_KEYS_FILE") from error
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _parsed(line: str) -> tuple[str, bytes]:
    match = _LINE.fullmatch(line)
    if match is None:
        # Not quoted: somebody may have put the key itself there.
        raise SettingsError(
            "an API key is not written as name:digest, the name of up to 64 letters, digits and ._@-, the digest "
            "the 64 hexadecimal digits of the key's SHA-256. `python -m service.keys NAME` makes such a line.",
            where="SALISERVE_KEYS",
        )
    return match[1], bytes.fromhex(match[2])


def main() -> None:
    """Print a new key on standard output, and the line for SALISERVE_KEYS_FILE on standard error."""
    parser = argparse.ArgumentParser(prog="python -m service.keys", description="Make an API key.")
    parser.add_argument("name", help="whose it is")
    try:
        key, line = make_key(parser.parse_args().name)
    except SettingsError as error:
        sys.exit(f"saliserve: {error.detail}")
    sys.stderr.write(f"# For the caller alone, below; for SALISERVE_KEYS_FILE:\n{line}\n")
    sys.stdout.write(f"{key}\n")


if __name__ == "__main__":
    main()
