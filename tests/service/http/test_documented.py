"""docs/http.md must not go stale: its tables are checked against the code."""

from pathlib import Path

import pytest

from service import errors
from service.http.problems import status_of
from service.imaging.decode import FORMATS
from service.settings import Settings

PAGE = (Path(__file__).parents[3] / "docs" / "http.md").read_text()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_explained(name: str) -> None:
    """In its own words, so that the two cannot say different things."""
    assert f"| `SALISERVE_{name.upper()}` | " in PAGE
    assert f" | {Settings.model_fields[name].description} |" in PAGE


def test_no_setting_is_explained_that_does_not_exist() -> None:
    """It would stop the start of whoever believed the page."""
    named = {line.split("`")[1] for line in PAGE.splitlines() if line.startswith("| `SALISERVE_")}

    assert named == {f"SALISERVE_{name.upper()}" for name in Settings.model_fields}


def test_the_limits_on_the_page_are_the_defaults() -> None:
    """Numbers are what people copy."""
    settings = Settings()
    for name in ("max_body_bytes", "max_pixels", "max_side", "min_side", "queue_forwards", "max_form_fields"):
        assert f"| `SALISERVE_{name.upper()}` | {getattr(settings, name):,} |" in PAGE


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.RequestError)
    ],
)
def test_every_mistake_of_a_caller_is_listed_with_its_status(kind: type[errors.RequestError]) -> None:
    """The code is what programs look at."""
    assert f"| `{kind.code}` | {int(status_of(kind('')))} |" in PAGE


def test_the_formats_are_listed() -> None:
    """As they are spelt in prose."""
    for name in FORMATS:
        assert name.lower() in PAGE.lower()
