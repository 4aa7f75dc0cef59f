"""The options with which a method was certified, as the method has them now."""

from collections.abc import Mapping

from pydantic import JsonValue, ValidationError

from service.explain.method import Method


def filled_in(method: Method, parameters: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Add the defaults of options that the method did not have yet when it was certified: they change nothing.

    Args:
        method: As it is now.
        parameters: Of its certificate; given back as they are if one of them is no longer an option.

    Examples:
        >>> from service.explain.occlusion import METHOD
        >>> sorted(filled_in(METHOD, {"window": 8})) == sorted(METHOD.parameters().model_dump())
        True
    """
    try:
        certified = method.parameters.model_validate(dict(parameters))
    except ValidationError:
        return dict(parameters)
    return certified.model_dump(mode="json")
