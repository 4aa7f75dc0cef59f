"""Every error code, from the service to the exception that the caller catches."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import PIL.Image
import pytest
import saliserve_client.errors as raised
from fastapi.testclient import TestClient
from saliserve_client import Client

import service.errors
from service.engine import Engine
from service.http.application import create_app
from service.runtime.device import choose_device
from service.runtime.store import ModelStore
from service.settings import Settings
from tests.contract.test_error_tree import heirs


class FailingEngine:
    """The engine, except that predictions fail as told."""

    def __init__(self, engine: Engine, error: Exception) -> None:
        self._engine = engine
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def predict(self, *_: object) -> NoReturn:
        raise self._error


def made(kind: type[service.errors.SaliserveError]) -> service.errors.SaliserveError:
    if issubclass(kind, service.errors.CapacityError):
        return kind("what was found", retry_after_s=3.0, where="here")
    if issubclass(kind, service.errors.UnsupportedOperatorError):
        return kind("com.microsoft::FusedConv", "here")
    return kind("what was found", where="here")


@pytest.mark.parametrize("kind", list(heirs(service.errors.SaliserveError)))
def test_every_error_of_the_service_arrives_as_itself(
    kind: type[service.errors.SaliserveError],
    connect: Callable[[Any], Client],
    engine: Engine,
    picture: bytes,
) -> None:
    """Through the real app's error handling, which decides status, body and headers."""
    client = connect(FailingEngine(engine, made(kind)))

    with pytest.raises(raised.SaliserveError) as caught:
        client.predict(picture)

    assert type(caught.value) is raised.BY_CODE[kind.code]
    assert caught.value.code == kind.code
    assert caught.value.where == "here"
    assert caught.value.request_id
    if issubclass(kind, service.errors.CapacityError):
        assert caught.value.retry_after_s == 3.0


def test_an_unforeseen_failure_is_internal_and_names_the_request(
    connect: Callable[[Any], Client], engine: Engine, picture: bytes
) -> None:
    client = connect(FailingEngine(engine, ZeroDivisionError("secret")))

    with pytest.raises(raised.SaliserveError) as caught:
        client.predict(picture)

    assert type(caught.value) is raised.SaliserveError
    assert caught.value.status == 500
    assert caught.value.request_id
    assert "secret" not in caught.value.detail


def encoded(size: tuple[int, int], name: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    PIL.Image.effect_noise(size, 50).save(buffer, name)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", raised.EmptyImageError),
        (b"these are words, not pixels", raised.ImageFormatError),
        (encoded((64, 64))[:-200], raised.CorruptImageError),
        (encoded((64, 64), "JPEG")[:-500], raised.CorruptImageError),
        (encoded((1, 1)), raised.ImageTooSmallError),
        (encoded((200, 200)), raised.ImageTooLargeError),
        (encoded((40, 40)) + bytes(400_000), raised.ImageTooLargeError),
    ],
    ids=["empty", "text", "cut PNG", "cut JPEG", "1x1", "too many pixels", "too many bytes"],
)
def test_a_picture_that_cannot_be_used_says_why(
    client: Client, data: bytes, kind: type[raised.SaliserveError]
) -> None:
    """Pictures as they come from folders, none of them made to order for a code."""
    with pytest.raises(kind) as caught:
        client.predict(data)

    assert type(caught.value) is kind
    assert len(caught.value.detail) > 20


@pytest.mark.parametrize(
    ("options", "kind", "where"),
    [
        ({"model": "dogs"}, raised.UnknownModelError, "options.model"),
        ({"version": "9"}, raised.UnknownModelError, "options.version"),
        ({"method": "tea_leaves"}, raised.UnknownMethodError, "options.method"),
        ({"target": 3}, raised.UnknownTargetError, "options.target"),
        ({"target": "purple"}, raised.UnknownTargetError, "options.target"),
        ({"contrast": "purple"}, raised.UnknownTargetError, "options.contrast"),
        ({"target": 1, "contrast": 1}, raised.OptionError, "options.contrast"),
        ({"top_k": 4}, raised.OptionError, "options.top_k"),
        ({"top_k": 0}, raised.OptionError, "options.top_k"),
        ({"seed": -1}, raised.OptionError, "options.seed"),
        ({"deadline_ms": 1e9}, raised.OptionError, "options.deadline_ms"),
        ({"receipt": "complete"}, raised.OptionError, "options.receipt"),
        ({"method": "occlusion", "parameters": {"widow": 4}}, raised.OptionError, "options."),
        ({"max_forwards": 1}, raised.BudgetError, "options.max_forwards"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(
    client: Client, picture: bytes, options: dict[str, Any], kind: type[raised.SaliserveError], where: str
) -> None:
    with pytest.raises(kind) as caught:
        client.explain(picture, **options)

    assert type(caught.value) is kind
    assert caught.value.where.startswith(where)


def test_a_number_that_json_cannot_carry_is_refused_before_it_is_sent(client: Client, picture: bytes) -> None:
    """Python would write NaN, which is not JSON."""
    with pytest.raises(raised.OptionError, match="deadline_ms"):
        client.explain(picture, deadline_ms=float("nan"))


def test_a_service_with_keys_wants_one_of_them(engine: Engine, settings: Settings, picture: bytes) -> None:
    """And says nothing of the picture, nor of the models, without."""
    digest = hashlib.sha256(b"open sesame").hexdigest()
    http = TestClient(create_app(engine, settings.model_copy(update={"keys": (f"ali:{digest}",)})))

    for key in ("", "open barley"):
        client = Client(http=http, api_key=key)
        for call in (client.models, lambda client=client: client.predict(picture)):  # type: ignore[misc]
            with pytest.raises(raised.AuthenticationError):
                call()
        assert client.ready()

    assert Client(http=http, api_key="open sesame").predict(picture).label


def test_a_draining_service_says_so(
    connect: Callable[[Engine], Client], models: Path, picture: bytes
) -> None:
    engine = Engine(ModelStore(models, choose_device("cpu", threads=1)))
    client = connect(engine)
    engine.close()

    with pytest.raises(raised.DrainingError) as caught:
        client.predict(picture)

    assert caught.value.retry_after_s is not None


def test_the_service_answers_as_before_after_every_refusal(client: Client, picture: bytes) -> None:
    before = client.predict(picture)
    for data in (b"", b"text", encoded((1, 1))):
        with pytest.raises(raised.ImageError):
            client.predict(data)

    assert client.predict(picture).top_k == before.top_k
