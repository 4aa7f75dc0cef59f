"""What a request is called in metrics and log."""

from types import SimpleNamespace

import pytest

from service.http.access import _template


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        ({"route": SimpleNamespace(path="/v1/models/{name}")}, "/v1/models/{name}"),
        ({"route": SimpleNamespace(path="")}, "unmatched"),
        ({}, "unmatched"),
    ],
)
def test_a_route_has_a_name_in_any_case(scope: dict[str, object], name: str) -> None:
    """BentoML's mount is a route without a path; it was seen as route="" under /openapi.json."""
    assert _template(scope) == name
