import pickle

import pytest
from saliserve_client import errors


def test_every_class_has_a_code_of_its_own() -> None:
    """A code is what leads from the wire to the class; one shared by two classes would hide one of them."""
    classes = [errors.SaliserveError]
    for kind in classes:
        classes.extend(kind.__subclasses__())

    assert len(classes) == len(errors.BY_CODE)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """People choose what to catch by that drawing."""
    drawn = [line.split("── ")[1].split()[0] for line in (errors.__doc__ or "").splitlines() if "── " in line]

    assert sorted(drawn) == sorted(
        kind.__name__ for kind in errors.BY_CODE.values() if kind is not errors.SaliserveError
    )


@pytest.mark.parametrize("kind", errors.BY_CODE.values())
def test_errors_survive_a_process_pool(kind: type[errors.SaliserveError]) -> None:
    """Pools pickle exceptions; one that cannot be rebuilt hangs the pool instead of failing."""
    error = kind("detail", where="image", status=422, request_id="7", retry_after_s=2.0)

    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    assert type(again) is kind
    assert vars(again) == vars(error)
    assert str(again) == "detail"
