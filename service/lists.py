"""Lists as callers write them in a form, where everything is text."""

import json


def listed(value: object) -> object:
    """Take names apart at their commas; what is no text and no list is left to be refused.

    Examples:
        >>> listed("magnitude,pixels")
        ('magnitude', 'pixels')
    """
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",")) if value else ()
    return tuple(value) if isinstance(value, list) else value


def listed_boxes(value: object) -> object:
    """Read a list of lists from JSON.

    Raises:
        ValueError: Text that is no JSON.

    Examples:
        >>> listed_boxes("[[10, 20, 110, 95.5]]")
        ((10, 20, 110, 95.5),)
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
    if not isinstance(value, list):
        return value
    return tuple(tuple(box) if isinstance(box, list) else box for box in value)
