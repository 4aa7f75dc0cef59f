"""Where a protocol's bodies are read."""

import threading
from types import ModuleType
from typing import Any

import pytest


def names_of_threads(monkeypatch: pytest.MonkeyPatch, protocol: ModuleType) -> list[str]:
    """Return a list to which every thread that reads JSON for a protocol adds its name from now on."""
    names: list[str] = []
    read = protocol.json_object

    def reads(*arguments: Any, **more: Any) -> Any:
        names.append(threading.current_thread().name)
        return read(*arguments, **more)

    monkeypatch.setattr(protocol, "json_object", reads)
    return names
