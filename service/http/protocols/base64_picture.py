"""Pictures inside JSON."""

import binascii
from base64 import b64decode

from service.errors import OptionError


def from_base64(text: object, *, where: str) -> bytes:
    """Decode a file that was sent as base64.

    Raises:
        OptionError: It is no string, or no base64.

    Examples:
        >>> from_base64("YWJj", where="instances[0].b64")
        b'abc'
    """
    if not isinstance(text, str):
        raise OptionError(
            f"{where} is {type(text).__name__}; expected a picture's file as base64", where=where
        )
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise OptionError(f"{where} is not base64: {error}", where=where) from error
