"""An operator's typing error must stop the start, not pass unnoticed."""

from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize(
    ("chosen", "named", "way_out"),
    [
        ({"MIN_SIDE": "9", "MAX_SIDE": "8"}, ("MIN_SIDE=9", "MAX_SIDE=8"), "Lower the first"),
        ({"MIN_SIDE": "100", "MAX_PIXELS": "9999"}, ("MIN_SIDE=100", "MAX_PIXELS=9999"), "Lower the first"),
        (
            {"MAX_BODY_BYTES": "2000000", "MAX_UPLOADS_MIB": "1"},
            ("MAX_BODY_BYTES=2000000", "MAX_UPLOADS_MIB=1"),
            "Lower the first",
        ),
        ({"GUARD_METRICS": "true"}, ("GUARD_METRICS=true", "KEYS_FILE"), "leave it out"),
        ({"GUARD_DOCS": "true"}, ("GUARD_DOCS=true", "KEYS_FILE"), "leave it out"),
        ({"KEY_FORWARDS_PER_S": "0.5"}, ("KEY_FORWARDS_PER_S=0.5", "KEYS_FILE"), "leave it out"),
        (
            {"MAX_REQUEST_MS": "120000"},
            ("MAX_DEADLINE_MS=120000", "MAX_REQUEST_MS=120000"),
            "less than the third",
        ),
    ],
)
def test_settings_that_rule_each_other_out_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, chosen: dict[str, str], named: tuple[str, str], way_out: str
) -> None:
    """They would refuse every picture, or leave a door open that the operator takes for shut."""
    for name, value in chosen.items():
        monkeypatch.setenv(f"SALISERVE_{name}", value)

    with pytest.raises(SettingsError) as refused:
        Settings.from_environment()

    for part in (*named, way_out):
        assert part in refused.value.detail


def test_contradictions_are_all_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One start per error would be slow."""
    monkeypatch.setenv("SALISERVE_MIN_SIDE", "20000")
    monkeypatch.setenv("SALISERVE_MAX_DEADLINE_MS", "10")

    with pytest.raises(SettingsError, match=r"SALISERVE_MAX_DEADLINE_MS=10.*SALISERVE_MIN_SIDE=20000"):
        Settings.from_environment()


@pytest.mark.parametrize(
    "chosen",
    [
        {"min_side": 8, "max_side": 8, "max_pixels": 64},
        {"max_side": 4096},
        {"max_body_bytes": 2048},
        {"guard_metrics": True, "keys_file": "keys.txt"},
    ],
)
def test_a_narrow_choice_is_no_contradiction(chosen: dict[str, Any]) -> None:
    """Of two bounds the lower one holds: nobody must set both."""
    assert Settings(**chosen).threads == 0
