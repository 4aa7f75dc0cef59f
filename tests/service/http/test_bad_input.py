"""Every mistake a caller can make: one shape, a stable code, the way out; and the next request is served."""

import io
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

import PIL.Image
import pytest
from fastapi.testclient import TestClient

RAW = {"Content-Type": "image/png"}
FORM = "multipart/form-data; boundary=frontier"


def _file(image: PIL.Image.Image, name: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name)
    return buffer.getvalue()


def _png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


PICTURE = _file(PIL.Image.new("RGB", (32, 32), "red"))
JPEG = _file(PIL.Image.effect_noise((64, 64), 50), "JPEG")


def _part(name: str, data: bytes, filename: str | None = None) -> bytes:
    file = "" if filename is None else f'; filename="{filename}"'
    return (
        f'--frontier\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n"
    )


def _form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--frontier--\r\n"


IMAGE_PART = _part("image", PICTURE, "red.png")


@dataclass(frozen=True)
class Mistake:
    """A request, and what must be said of it."""

    name: str
    status: int
    code: str
    found: str
    path: str = "/v1/explain"
    method: str = "POST"
    send: dict[str, Any] = field(default_factory=lambda: {"content": PICTURE, "headers": RAW})


def _image(name: str, status: int, code: str, found: str, data: bytes) -> Mistake:
    return Mistake(name, status, code, found, send={"content": data, "headers": RAW})


def _option(name: str, query: str, found: str, *, status: int = 422, code: str = "invalid_option") -> Mistake:
    return Mistake(name, status, code, found, path=f"/v1/explain?{query}")


def _multipart(
    name: str, found: str, body: bytes, *, status: int = 400, code: str = "invalid_request"
) -> Mistake:
    return Mistake(name, status, code, found, send={"content": body, "headers": {"Content-Type": FORM}})


MISTAKES = [
    Mistake("no body at all", 400, "empty_image", "no body", send={}),
    _image("an empty body", 400, "empty_image", "no bod", b""),
    Mistake("an empty file", 400, "empty_image", "no bytes", send={"files": {"image": ("a.png", b"")}}),
    Mistake(
        "a text called .jpg",
        415,
        "unsupported_image_format",
        "JPEG, PNG, WEBP",
        send={"files": {"image": ("cat.jpg", b"this is no picture", "image/jpeg")}},
    ),
    _image("a JPEG cut short", 422, "corrupt_image", "cut short", JPEG[: len(JPEG) // 2]),
    _image("one pixel", 422, "image_too_small", "1 x 1", _file(PIL.Image.new("RGB", (1, 1)))),
    _image("a 20,000 x 20,000 PNG header", 413, "image_too_large", "1,000,000", _png_header(20_000, 20_000)),
    _image("a long picture", 413, "image_too_large", "4,001 x 8", _file(PIL.Image.new("1", (4001, 8)))),
    _image("a body over the limit", 413, "image_too_large", "300,000", b"\0" * 300_001),
    _option("an unknown method", "method=tea_leaves", "grad_cam", code="unknown_method"),
    _option("an unknown method with options", "method=tea_leaves&cups=3", "grad_cam", code="unknown_method"),
    _option("an unknown label", "target=purple", "purple", code="unknown_target"),
    _option("a class index too high", "target=3", "0 to 2", code="unknown_target"),
    _option("a class index below zero", "target=-1", "0 to 2", code="unknown_target"),
    _option("a class index beyond any", "target=" + "9" * 400, "0 to 2", code="unknown_target"),
    _option("an unknown model", "model=vgg", "colours", status=404, code="unknown_model"),
    _option("an unknown version", "version=9", "1", status=404, code="unknown_model"),
    _option("a deadline that is no number", "deadline_ms=NaN", "finite number"),
    _option("an infinite deadline", "deadline_ms=inf", "finite number"),
    _option("a deadline of zero", "deadline_ms=0", "greater than 0"),
    _option("a negative deadline", "deadline_ms=-300", "greater than 0"),
    _option(
        "a deadline that is over before the picture is read",
        "method=gradient&deadline_ms=0.000001",
        "on an idle device; deadline_ms leaves 0",
        code="budget_too_small",
    ),
    _option("a deadline beyond what is allowed", "deadline_ms=1e9", "120000"),
    _option("a method's option that is no number", "method=integrated_gradients&relative_gap=nan", "finite"),
    _option("a method's option out of range", "method=occlusion&window=0", "greater than or equal to 1"),
    _option("a stride of zero", "method=occlusion&stride=0", "greater than or equal to 1"),
    _option("no masks", "method=rise&masks=0", "greater than or equal to 10"),
    _option("a billion masks", "method=rise&masks=1000000000", "less than or equal to 20000"),
    _option("masks that keep nothing", "method=rise&keep=0", "greater than 0"),
    _option("masks that keep everything", "method=rise&keep=1", "less than 1"),
    _option(
        "a baseline that is no number",
        "method=rise&baseline=NaN",
        "'black', 'channel_mean' or 'gaussian_blur'",
    ),
    _option("a method's option that does not fit", "method=occlusion&window=32", "at most 16"),
    _option("an unknown option", "tpo_k=3", "top_k"),
    _option("another method's option", "method=grad_cam&window=3", "window"),
    _option("too many classes", "top_k=4", "1 to 3"),
    _option("no class", "top_k=0", "greater than or equal to 1"),
    _option("words for a number", "top_k=many", "valid integer"),
    _option("a receipt of an unknown kind", "receipt=thorough", "'none', 'fast' or 'full'"),
    _option("a target against itself", "target=0&contrast=0", "both class 0"),
    _option("a budget that is too small", "max_forwards=1", "max_forwards is 1", code="budget_too_small"),
    _option("a seed beyond 63 bits", f"seed={2**63}", "less than"),
    _option("an option twice", "top_k=1&top_k=2", "2 times"),
    _option("hundreds of options", "&".join(f"o{n}=1" for n in range(300)), "at most 20"),
    Mistake(
        "an option of another route", 422, "invalid_option", "deadline_ms", path="/v1/predict?method=grad_cam"
    ),
    Mistake("nothing there", 404, "not_found", "/openapi.json", path="/v9/nothing"),
    Mistake("a slash too many", 404, "not_found", "/v1/explain/", path="/v1/explain/"),
    Mistake("GET for POST", 405, "method_not_allowed", "POST", path="/v1/predict", method="GET", send={}),
    Mistake("DELETE for GET", 405, "method_not_allowed", "GET", path="/v1/models", method="DELETE", send={}),
    Mistake(
        "an unknown model's page",
        404,
        "unknown_model",
        "colours",
        path="/v1/models/vgg",
        method="GET",
        send={},
    ),
    Mistake(
        "JSON for a picture",
        415,
        "unsupported_media_type",
        "multipart/form-data",
        send={"json": {"image": "cat.jpg"}},
    ),
    Mistake(
        "a body of no stated type",
        415,
        "unsupported_media_type",
        "no stated type",
        send={"content": PICTURE},
    ),
    Mistake(
        "a form without a boundary",
        400,
        "invalid_request",
        "boundary",
        send={"content": _form(IMAGE_PART), "headers": {"Content-Type": "multipart/form-data"}},
    ),
    Mistake(
        "a form with another boundary",
        400,
        "invalid_request",
        "cannot be read",
        send={
            "content": _form(IMAGE_PART),
            "headers": {"Content-Type": "multipart/form-data; boundary=elsewhere"},
        },
    ),
    Mistake(
        "a form in a strange alphabet",
        400,
        "invalid_request",
        "UTF-8",
        send={
            "content": _form(IMAGE_PART, _part("top_k", b"3")),
            "headers": {"Content-Type": f"{FORM}; charset=undefined"},
        },
    ),
    _multipart("a form that ends early", "", _form(IMAGE_PART)[:60], status=400),
    _multipart("a form that ends within the picture", "cut short", _form(IMAGE_PART)[:120]),
    _multipart("a form without the picture", "no file `image`", _form(_part("top_k", b"3"))),
    _multipart("the picture as text", "mind the @", _form(_part("image", b"cat.jpg"))),
    _multipart("two pictures", "2 times", _form(IMAGE_PART, IMAGE_PART), status=422, code="invalid_option"),
    _multipart(
        "a file that nobody asked for",
        "'sketch'",
        _form(IMAGE_PART, _part("sketch", b"x", "sketch.png")),
        status=422,
        code="invalid_option",
    ),
    _multipart("twenty files", "files", _form(*(_part(f"f{n}", b"", "f") for n in range(20)))),
    _multipart("thousands of fields", "20", _form(IMAGE_PART, *(_part(f"f{n}", b"1") for n in range(3000)))),
    _multipart("a field of kilobytes", "2KB", _form(IMAGE_PART, _part("target", b"x" * 3000))),
    _multipart(
        "a file of options of kilobytes",
        "at most 2,048",
        _form(IMAGE_PART, _part("options", b'{"top_k": 1' + b" " * 3000 + b"}", "options.json")),
    ),
    _multipart(
        "options that are no JSON",
        "not JSON",
        _form(IMAGE_PART, _part("options", b"{top_k: 3}")),
        status=422,
        code="invalid_option",
    ),
    _multipart(
        "options that are no object",
        "list",
        _form(IMAGE_PART, _part("options", b"[1]")),
        status=422,
        code="invalid_option",
    ),
    _multipart(
        "NaN in the options",
        "NaN is no number",
        _form(IMAGE_PART, _part("options", b'{"deadline_ms": NaN}')),
        status=422,
        code="invalid_option",
    ),
    _multipart(
        "a number beyond all floats",
        "finite",
        _form(IMAGE_PART, _part("options", b'{"deadline_ms": 1e999}')),
        status=422,
        code="invalid_option",
    ),
    _multipart(
        "a text for a number in the options",
        "valid integer",
        _form(IMAGE_PART, _part("options", b'{"top_k": "3"}')),
        status=422,
        code="invalid_option",
    ),
    _multipart(
        "a method's option outside of parameters",
        "parameters",
        _form(IMAGE_PART, _part("options", b'{"method": "occlusion", "window": 4}')),
        status=422,
        code="invalid_option",
    ),
    _multipart(
        "the same key twice in the options",
        "2 times",
        _form(IMAGE_PART, _part("options", b'{"top_k": 1, "top_k": 2}')),
        status=422,
        code="invalid_option",
    ),
    _multipart(
        "options nested a thousand deep",
        "options",
        _form(IMAGE_PART, _part("options", b"[" * 2000)),
        status=422,
        code="invalid_option",
    ),
    _multipart(
        "half a surrogate pair",
        "ud800",
        _form(IMAGE_PART, _part("options", b'{"target": "\\ud800"}')),
        status=422,
        code="unknown_target",
    ),
    _multipart(
        "options both ways",
        "one of the two ways",
        _form(IMAGE_PART, _part("options", b"{}"), _part("top_k", b"2")),
        status=422,
        code="invalid_option",
    ),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_explained_and_the_next_request_served(client: TestClient, mistake: Mistake) -> None:
    """The one shape of RFC 9457; what was found or expected is in the detail."""
    before = client.post("/v1/predict", content=PICTURE, headers=RAW).json()["prediction"]

    answer = client.request(mistake.method, mistake.path, **mistake.send)

    assert answer.status_code == mistake.status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "code", "where", "request_id"}
    assert problem["code"] == mistake.code, problem
    assert problem["status"] == mistake.status
    assert problem["type"] == f"urn:saliserve:problem:{mistake.code}"
    assert mistake.found in problem["detail"]
    assert "Traceback" not in answer.text
    assert problem["request_id"] == answer.headers["x-request-id"] != ""
    after = client.post("/v1/predict", content=PICTURE, headers=RAW).json()["prediction"]
    assert after == before


def test_a_wrong_method_is_told_the_right_one(client: TestClient) -> None:
    """RFC 9110, section 15.5.6 requires Allow."""
    assert client.get("/v1/explain").headers["allow"] == "POST"


def test_a_long_file_name_is_no_mistake(client: TestClient) -> None:
    """It is never used."""
    answer = client.post("/v1/predict", files={"image": ("n" * 300 + ".png", PICTURE)})

    assert answer.status_code == 200


def test_a_detail_quotes_no_more_than_a_line_of_what_was_sent(client: TestClient) -> None:
    """An error must not be a way to have kilobytes repeated."""
    answer = client.post(f"/v1/predict?{'n' * 5000}={'v' * 5000}", content=PICTURE, headers=RAW)

    assert answer.status_code == 422
    assert len(answer.content) < 1000
