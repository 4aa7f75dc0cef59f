"""JSON from a stranger -> an object, or the reason why not."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from service.errors import OptionError


def json_object(data: bytes, *, what: str, where: str) -> Mapping[str, Any]:
    """Read a JSON object strictly.

    Large ones are for a thread beside the event loop. Python's parser lets no other thread run while it is in its own
    code, so numbers, of which a tensor is made, are read by functions of ours, where the interpreter may turn to
    another thread: three times as long, and nobody waits for it.

    Args:
        data: UTF-8.
        what: What to call it in an error.
        where: The part of the request that it is.

    Raises:
        OptionError: No JSON, no object, a name given twice, NaN or infinity.

    Examples:
        >>> json_object(b'{"top_k": 3}', what="the body", where="body")
        {'top_k': 3}
    """

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        for name, count in Counter(name for name, _ in found).items():
            if count > 1:
                raise OptionError(
                    f"{name!r:.80} is given {count} times; expected once", where=f"{where}.{name}"[:80]
                )
        return dict(found)

    try:
        values = json.loads(
            data,
            object_pairs_hook=pairs,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as error:
        raise OptionError(f"{what} is not JSON: {error}"[:300], where=where) from error
    if not isinstance(values, dict):
        raise OptionError(f"{what} holds a JSON {type(values).__name__}; expected an object", where=where)
    return values


def _integer(text: str) -> int:
    return int(text)


def _number(text: str) -> float:
    return float(text)


def _refuse_constant(name: str) -> float:
    """JSON has no NaN or infinity, although Python's parser takes them."""
    raise ValueError(f"{name} is no number")
