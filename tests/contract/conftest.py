"""The real client on the real app over the real engine, with a classifier of a few kilobytes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from saliserve_client import Client, Retry

from service.engine import Engine
from service.http.application import create_app
from service.runtime.device import choose_device
from service.runtime.store import ModelStore
from service.settings import Settings
from tests.service.http.conftest import make_picture, models, picture

__all__ = ["make_picture", "models", "picture"]


@pytest.fixture(scope="session")
def settings(models: Path) -> Settings:
    """Limits that small bodies reach."""
    return Settings(models=models, provider="cpu", threads=1, max_body_bytes=300_000, max_pixels=10_000)


@pytest.fixture(scope="session")
def engine(models: Path) -> Iterator[Engine]:
    with Engine(ModelStore(models, choose_device("cpu", threads=1))) as engine:
        yield engine


@pytest.fixture(scope="session")
def connect(settings: Settings) -> Callable[[Engine], Client]:
    """Make a client of the app over an engine; it repeats nothing, so that every refusal is seen."""

    def make(engine: Engine) -> Client:
        http = TestClient(create_app(engine, settings), raise_server_exceptions=False)
        return Client(http=http, retry=Retry(attempts=1))

    return make


@pytest.fixture(scope="session")
def client(connect: Callable[[Engine], Client], engine: Engine) -> Client:
    return connect(engine)
