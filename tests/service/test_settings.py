"""An operator's typing error must stop the start, not pass unnoticed."""

from pathlib import Path

import pytest

from service.errors import SettingsError
from service.settings import Settings


def test_no_variable_at_all_is_a_valid_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make demo` sets nothing."""
    monkeypatch.delenv("SALISERVE_PROVIDER", raising=False)

    settings = Settings.from_environment()

    assert settings.provider == "auto"
    assert settings.cors_origins == ()
    assert settings.models.is_absolute()


def test_variables_become_typed_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text from the environment, types in the code."""
    monkeypatch.setenv("SALISERVE_MODELS", "/bundles")
    monkeypatch.setenv("SALISERVE_THREADS", "2")
    monkeypatch.setenv("SALISERVE_DOCS", "false")
    monkeypatch.setenv("SALISERVE_CORS_ORIGINS", "https://a.example, https://b.example")

    settings = Settings.from_environment()

    assert settings.models == Path("/bundles")
    assert settings.threads == 2
    assert settings.docs is False
    assert settings.cors_origins == ("https://a.example", "https://b.example")


def test_an_unknown_variable_stops_the_start_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """pydantic-settings ignores unknown variables, so a misspelt limit would silently not hold."""
    monkeypatch.setenv("SALISERVE_MAX_PIXEL", "100")

    with pytest.raises(SettingsError, match=r"SALISERVE_MAX_PIXEL.*SALISERVE_MAX_PIXELS"):
        Settings.from_environment()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SALISERVE_THREADS", "two"),
        ("SALISERVE_PROVIDER", "gpu"),
        ("SALISERVE_DEFAULT_DEADLINE_MS", "nan"),
        ("SALISERVE_MAX_DECODE_MS", "inf"),
        ("SALISERVE_MAX_PIXELS", "-1"),
        ("SALISERVE_MAX_PIXELS", ""),
        ("SALISERVE_LOG_LEVEL", "loud"),
    ],
)
def test_a_bad_value_stops_the_start_and_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """The message must be enough to repair the environment: which variable, which value."""
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=f"{name}='{value}'"):
        Settings.from_environment()


def test_two_bad_values_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One start per error would be slow."""
    monkeypatch.setenv("SALISERVE_THREADS", "two")
    monkeypatch.setenv("SALISERVE_DOCS", "maybe")

    with pytest.raises(SettingsError, match=r"SALISERVE_THREADS.*SALISERVE_DOCS"):
        Settings.from_environment()


def test_deadlines_out_of_order_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A default that no request may ask for, or a timer that goes off first, would fail at random."""
    monkeypatch.setenv("SALISERVE_MAX_DEADLINE_MS", "10")

    with pytest.raises(SettingsError, match="SALISERVE_MAX_DEADLINE_MS=10"):
        Settings.from_environment()
