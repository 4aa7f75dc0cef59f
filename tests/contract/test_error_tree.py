from collections.abc import Iterator

import pytest
import saliserve_client.errors

import service.errors


def heirs(kind: type[service.errors.SaliserveError]) -> Iterator[type[service.errors.SaliserveError]]:
    yield kind
    for heir in kind.__subclasses__():
        if heir.__module__ == "service.errors":
            yield from heirs(heir)


@pytest.mark.parametrize("kind", list(heirs(service.errors.SaliserveError)))
def test_the_client_has_every_error_of_the_service(kind: type[service.errors.SaliserveError]) -> None:
    """By code, name and place in the tree, so that what a caller catches is what the service meant."""
    mirrored = saliserve_client.errors.BY_CODE[kind.code]

    assert mirrored.__name__ == kind.__name__
    assert [base.__name__ for base in mirrored.__mro__] == [base.__name__ for base in kind.__mro__]


def test_what_the_client_adds_is_its_own_side_of_the_wire() -> None:
    """A class that the service dropped must not linger in the client."""
    ours = {kind.code for kind in heirs(service.errors.SaliserveError)}
    added = [kind for code, kind in saliserve_client.errors.BY_CODE.items() if code not in ours]

    for kind in added:
        assert issubclass(kind, (saliserve_client.errors.TransportError, saliserve_client.errors.LocalError))
