"""Transport faults only, which the real app cannot be made to produce; what the service says is in tests/contract."""

import asyncio
import http.server
import inspect
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from saliserve_client import AsyncClient, Client, Retry, errors

Handler = Callable[[httpx2.Request], httpx2.Response]

BUSY = {"code": "overloaded", "detail": "queue full"}


def sequence(*outcomes: httpx2.Response | Exception) -> tuple[Handler, list[httpx2.Request]]:
    """Give one outcome per request, and remember the requests."""
    remaining: Iterator[httpx2.Response | Exception] = iter(outcomes)
    seen: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        request.read()
        seen.append(request)
        outcome = next(remaining)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return handle, seen


def busy(retry_after: str | None = None) -> httpx2.Response:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return httpx2.Response(503, json=BUSY, headers=headers)


def well() -> httpx2.Response:
    return httpx2.Response(200, json={"models": []})


def mocked(handler: Handler, pauses: list[float], retry: Retry) -> Client:
    http = httpx2.Client(base_url="http://service", transport=httpx2.MockTransport(handler))
    return Client(http=http, sleep=pauses.append, retry=retry)


def test_retry_after_is_a_floor_under_the_pause() -> None:
    """Coming back earlier than asked is another refusal; the jitter on top keeps clients from coming back together."""
    handler, seen = sequence(busy("7"), busy("7"), well())
    pauses: list[float] = []

    mocked(handler, pauses, Retry(first_s=2.0, draw=lambda: 0.5)).models()

    assert len(seen) == 3
    assert pauses == [7 + 0.5 * 2, 7 + 0.5 * 4]


def test_jitter_is_full_and_bounded() -> None:
    """AWS's full jitter: even from 0 to the exponential ceiling, which itself is capped."""
    draws = iter([0.0, 0.999, 0.5])
    handler, _ = sequence(busy(), busy(), busy(), well())
    pauses: list[float] = []

    mocked(handler, pauses, Retry(first_s=4.0, longest_s=10.0, draw=lambda: next(draws))).models()

    assert pauses == [0.0, 0.999 * 8, 0.5 * 10]


@pytest.mark.parametrize(
    "fault",
    [
        httpx2.ConnectError("refused"),
        httpx2.ConnectTimeout("slow"),
        httpx2.ReadError("reset"),
        httpx2.RemoteProtocolError("closed"),
    ],
)
def test_a_connection_that_fails_or_breaks_is_tried_again(fault: Exception) -> None:
    """Every request is a pure function of its body, so the service may see it twice."""
    handler, seen = sequence(fault, well())

    mocked(handler, [], Retry()).models()

    assert len(seen) == 2


def test_a_timeout_is_not_tried_again() -> None:
    """The service may still be at work on it; asking again would double that work."""
    handler, seen = sequence(httpx2.ReadTimeout("150 s"))

    with pytest.raises(errors.AnswerTimeoutError):
        mocked(handler, [], Retry()).models()

    assert len(seen) == 1


def test_a_mistake_of_the_caller_is_not_tried_again() -> None:
    handler, seen = sequence(httpx2.Response(422, json={"code": "invalid_option", "detail": "top_k"}))

    with pytest.raises(errors.OptionError):
        mocked(handler, [], Retry()).models()

    assert len(seen) == 1


def test_the_last_failure_is_the_one_raised() -> None:
    handler, seen = sequence(httpx2.ConnectError("refused"), busy("1"), busy("2"))

    with pytest.raises(errors.OverloadedError) as raised:
        mocked(handler, [], Retry(attempts=3)).models()

    assert len(seen) == 3
    assert raised.value.retry_after_s == 2.0


def test_a_retry_after_beyond_patience_is_raised_at_once() -> None:
    """An hour's sleep inside a call would look like a hang; the caller gets the number instead."""
    handler, seen = sequence(busy("3600"))
    pauses: list[float] = []

    with pytest.raises(errors.OverloadedError) as raised:
        mocked(handler, pauses, Retry()).models()

    assert (len(seen), pauses, raised.value.retry_after_s) == (1, [], 3600.0)


def test_a_repeated_upload_is_the_same_upload(tmp_path: Path) -> None:
    """A file that was read to its end by the first attempt would be empty in the second."""
    picture = tmp_path / "cat.jpg"
    picture.write_bytes(b"picture bytes")
    handler, seen = sequence(busy(), busy(), httpx2.Response(418, json={}))

    with picture.open("rb") as file, pytest.raises(errors.SaliserveError):
        mocked(handler, [], Retry()).predict(file, top_k=3)

    bodies = [request.content.replace(_boundary(request), b"|") for request in seen]
    assert len(bodies) == 3
    assert len(set(bodies)) == 1
    assert b"picture bytes" in bodies[0]
    assert b'{"top_k": 3}' in bodies[0]


def _boundary(request: httpx2.Request) -> bytes:
    return request.headers["content-type"].partition("boundary=")[2].encode()


def test_the_folder_of_a_picture_is_not_sent(tmp_path: Path) -> None:
    """Folder names hold people's names; the service needs none."""
    picture = tmp_path / "cat.jpg"
    picture.write_bytes(b"x")
    handler, seen = sequence(httpx2.Response(418, json={}))

    with pytest.raises(errors.SaliserveError):
        mocked(handler, [], Retry()).predict(picture)

    assert b'filename="cat.jpg"' in seen[0].content
    assert tmp_path.name.encode() not in seen[0].content


def test_the_key_is_sent_and_never_shown() -> None:
    """A key in a repr ends up in logs and notebooks."""
    handler, seen = sequence(well())
    http = httpx2.Client(base_url="http://service", transport=httpx2.MockTransport(handler))
    client = Client(http=http, api_key="s3cret")

    client.models()

    assert seen[0].headers["authorization"] == "Bearer s3cret"
    assert "s3cret" not in repr(client.connection)


@pytest.mark.parametrize("url", ["localhost:3000", "ftp://host", "http://", "", "http://[::1", "/v1"])
def test_an_address_that_is_none_is_refused_before_use(url: str) -> None:
    with pytest.raises(errors.UnreachableError, match="is no address"):
        Client(url)


@pytest.mark.parametrize(
    "url", ["http://host", "http://host/", "http://host/behind/proxy", "http://host/behind/proxy/"]
)
def test_a_service_behind_a_path_is_reached(url: str) -> None:
    handler, seen = sequence(well())
    client = Client(url, http=httpx2.Client(base_url=url, transport=httpx2.MockTransport(handler)))

    client.models()

    assert str(seen[0].url) == url.rstrip("/") + "/v1/models"


@pytest.mark.parametrize("name", ["../../livez", "..", ".", "", "a/b", "a\nb"])
def test_a_name_that_is_no_path_segment_is_no_model(name: str) -> None:
    """It reached another route, or none, of which the client said that the service is of another version."""
    handler, seen = sequence()

    with pytest.raises(errors.UnknownModelError, match="no model is named"):
        mocked(handler, [], Retry()).model(name)

    assert not seen


def test_a_name_with_signs_of_addresses_in_it_stays_one() -> None:
    handler, seen = sequence(httpx2.Response(418, json={}))

    with pytest.raises(errors.SaliserveError):
        mocked(handler, [], Retry()).model("a?b#c%2F")

    assert seen[0].url.raw_path == b"/v1/models/a%3Fb%23c%252F"


def test_nothing_listening_is_unreachable_and_names_the_address() -> None:
    """Port 9 (discard) is not served on any machine that runs tests; nothing leaves this one."""
    with (
        Client("http://127.0.0.1:9", retry=Retry(attempts=1)) as client,
        pytest.raises(errors.UnreachableError) as raised,
    ):
        client.models()

    assert "http://127.0.0.1:9" in raised.value.detail


@pytest.mark.parametrize("page", [b"<html>hello</html>", b"[]", b"", b"\xff", b"[" * 100_000])
def test_another_service_that_answers_200_is_recognised(page: bytes) -> None:
    handler, _ = sequence(httpx2.Response(200, content=page))

    with pytest.raises(errors.UnexpectedAnswerError, match="saliserve service"):
        mocked(handler, [], Retry()).models()


def test_an_answer_of_another_shape_names_the_field() -> None:
    answer = {"models": [{"name": "cat", "version": 1}]}
    handler, _ = sequence(httpx2.Response(200, json=answer))

    with pytest.raises(
        errors.UnexpectedAnswerError, match=r"models\[0\]\.version: int where a text is expected"
    ):
        mocked(handler, [], Retry()).models()


def test_a_missing_certificate_file_is_named() -> None:
    with pytest.raises(errors.FileError, match=r"^TLS files cannot be used: no-such-authority\.pem: \["):
        Client("https://host", verify="no-such-authority.pem")
    with pytest.raises(errors.FileError, match=r"^TLS files cannot be used: cert\.pem, key\.pem: \["):
        Client("https://host", certificate=("cert.pem", "key.pem"))


def test_tls_is_checked_unless_told_otherwise() -> None:
    checked = Client("https://host").connection.settings()["verify"]
    unchecked = Client("https://host", verify=False).connection.settings()["verify"]

    assert (checked, unchecked) == (True, False)


def test_an_http_address_loads_no_authorities_and_trusts_nobody() -> None:
    """Loading them takes 50 ms of a start, twice in a scoring run; what is not loaded must not mean unchecked."""
    context = Client("http://host").connection.settings()["verify"]

    assert context.cert_store_stats()["x509_ca"] == 0
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_service_with_an_unknown_authority_is_unreachable(tmp_path: Path) -> None:
    """A real handshake against a self-signed certificate; with that certificate as authority it goes through."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    port = _serve_one_answer(context)

    with pytest.raises(errors.UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
        Client(f"https://localhost:{port}", retry=Retry(attempts=1)).models()
    assert Client(f"https://localhost:{port}", verify=tmp_path / "ca.pem").models() == ()


def _serve_one_answer(context: ssl.SSLContext) -> int:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = json.dumps({"models": []}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    """They are made from the same functions; this keeps somebody from adding a method to one of them only."""
    blocking, awaiting = Client(), AsyncClient()
    names = [
        name
        for name in dir(blocking)
        if not name.startswith("_") and name not in {"close", "perform", "connection"}
    ]

    assert {"predict", "explain", "evaluate", "models", "model", "ready"} <= set(names)
    for name in names:
        assert inspect.signature(getattr(blocking, name)) == inspect.signature(getattr(awaiting, name))


def test_the_asynchronous_client_retries_like_the_blocking_one() -> None:
    handler, seen = sequence(busy("7"), httpx2.ConnectError("refused"), well())
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def ask() -> object:
        http = httpx2.AsyncClient(base_url="http://service", transport=httpx2.MockTransport(handler))
        return await AsyncClient(http=http, sleep=pause, retry=Retry(first_s=2.0, draw=lambda: 0.5)).models()

    assert asyncio.run(ask()) == ()
    assert len(seen) == 3
    assert pauses == [7 + 0.5 * 2, 0.5 * 4]


def test_ready_is_false_while_the_service_starts() -> None:
    handler, seen = sequence(httpx2.Response(503, content=b"starting"))

    assert mocked(handler, [], Retry()).ready() is False
    assert len(seen) == 1


def test_a_client_that_was_brought_in_is_left_open() -> None:
    handler, _ = sequence(well(), well())
    http = httpx2.Client(base_url="http://service", transport=httpx2.MockTransport(handler))

    with Client(http=http) as client:
        client.models()

    assert not http.is_closed


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object()])
def test_an_option_without_a_json_form_is_refused_by_name(value: object) -> None:
    """Python would write NaN, which is not JSON and which the service would blame on the whole part."""
    handler, seen = sequence(well())

    with pytest.raises(errors.OptionError) as raised:
        mocked(handler, [], Retry()).explain(b"x", parameters={"window": value})

    assert raised.value.where == "options.parameters"
    assert not seen


def test_numpy_scalars_are_numbers() -> None:
    """`target=logits.argmax()` is how targets are found."""
    handler, seen = sequence(httpx2.Response(418, json={}))

    with pytest.raises(errors.SaliserveError):
        mocked(handler, [], Retry()).explain(b"x", target=np.int64(281))  # type: ignore[arg-type]

    assert b'{"target": 281}' in seen[0].content


@pytest.mark.parametrize("key", ["s3cret\n", "schlüssel", "a\x00b"])
def test_a_key_that_no_header_can_carry_is_refused(key: str) -> None:
    """A key read from a file has a line end; the HTTP library would call that a broken connection."""
    with pytest.raises(errors.AuthenticationError, match="line end"):
        Client(api_key=key)
