import json

import pytest
from saliserve_client import errors
from saliserve_client.problems import problem, retry_after_s


def body(**fields: object) -> bytes:
    return json.dumps({"code": "", "detail": "what was found", **fields}).encode()


@pytest.mark.parametrize("kind", errors.BY_CODE.values())
def test_a_known_code_becomes_its_class(kind: type[errors.SaliserveError]) -> None:
    """The code decides, not the status, which a gateway may have changed."""
    assert type(problem(400, {}, body(code=kind.code), now_s=0)) is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.RequestError),
        (429, errors.CapacityError),
        (500, errors.SaliserveError),
        (502, errors.CapacityError),
        (503, errors.CapacityError),
        (504, errors.AnswerTimeoutError),
    ],
)
def test_a_code_of_a_newer_service_becomes_the_base_its_status_names(
    status: int, kind: type[errors.SaliserveError]
) -> None:
    """A service may add codes; callers that catch the base keep working, and the code is still there to read."""
    error = problem(status, {}, body(code="solar_flare"), now_s=0)

    assert type(error) is kind
    assert error.code == "solar_flare"


def test_a_route_that_is_missing_means_another_version() -> None:
    """The client only asks for routes of its contract."""
    assert type(problem(404, {}, body(code="not_found"), now_s=0)) is errors.VersionError


def test_a_page_of_something_else_is_shown_in_the_message() -> None:
    """The usual cause is a wrong address; its own words are the best hint."""
    error = problem(404, {}, b"<html>\n <h1>Apache</h1></html>", now_s=0)

    assert type(error) is errors.UnexpectedAnswerError
    assert "<h1>Apache</h1>" in error.detail


def test_a_proxys_limit_is_the_pictures_fault() -> None:
    """nginx takes 1 MB unless told otherwise: one large photo stopped a run over thousands, as of another service."""
    error = problem(413, {}, b"<html>Request Entity Too Large</html>", now_s=0)

    assert type(error) is errors.ImageTooLargeError
    assert "a proxy before the service takes no request this large" in error.detail


@pytest.mark.parametrize("junk", [b"", b"[]", b"[" * 100_000, b"\xff\xfe", b'{"code": 7}', b"null"])
def test_no_body_breaks_the_reading(junk: bytes) -> None:
    """Proxies put anything in place of an answer."""
    assert type(problem(403, {}, junk, now_s=0)) is errors.UnexpectedAnswerError


def test_a_redirection_names_the_address_to_use() -> None:
    """A client that followed it would send the picture and the key to wherever it leads."""
    error = problem(308, {"location": "https://host/"}, b"", now_s=0)

    assert "https://host/" in error.detail


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("0", 0.0),
        ("-5", 0.0),
        ("nan", None),
        ("inf", None),
        ("tomorrow", None),
        (None, None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 59.0),
        ("Fri, 31 Dec 1999 23:58:59 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    """RFC 9110, section 10.2.3. 946684740 is 1999-12-31 23:59:00 UTC."""
    assert retry_after_s(header, now_s=946684740) == seconds
