"""Whatever is sent, the answer is ours: hypothesis as a stranger."""

from fastapi.testclient import TestClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

NAMES = st.sampled_from(["image", "options", "top_k", "method", "target", "map"]) | st.text(max_size=8)
HEADER_TEXT = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=60)
CONTENT_TYPES = (
    st.sampled_from(
        [
            "multipart/form-data; boundary=x",
            "multipart/form-data",
            "image/png",
            "application/octet-stream",
            "",
        ]
    )
    | HEADER_TEXT
    | HEADER_TEXT.map(lambda text: f"multipart/form-data; boundary=x; charset={text}")
    | HEADER_TEXT.map(lambda text: f"multipart/form-data; boundary={text}")
)


@st.composite
def _parts(draw: st.DrawFn) -> bytes:
    """Something like a form with the boundary x, its headers now and then broken."""
    body = b""
    for _ in range(draw(st.integers(0, 4))):
        name = draw(NAMES).encode("utf-8", "surrogatepass")
        disposition = draw(
            st.sampled_from(
                [
                    b'form-data; name="%s"',
                    b'form-data; name="%s"; filename="a"',
                    b"form-data",
                    b'%s; name="',
                    b"%s",
                ]
            )
        )
        header = b"Content-Disposition: " + disposition.replace(b"%s", name)
        extra = draw(st.sampled_from([b"", b"\r\nContent-Type: application/json", b"\r\n: :", b"\r\nX"]))
        body += b"--x\r\n" + header + extra + b"\r\n\r\n" + draw(st.binary(max_size=40)) + b"\r\n"
    return body + draw(st.sampled_from([b"--x--\r\n", b"--x--", b"--x", b""]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=_parts() | st.binary(max_size=200),
    content_type=CONTENT_TYPES,
    query=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40),
)
@example(body=b"", content_type="multipart/form-data; boundary=" + "b" * 300, query="")
@example(body=b"--x\r\n" * 50, content_type="multipart/form-data; boundary=x", query="top_k=%ff%00")
def test_any_submission_is_answered_and_none_is_our_fault(
    client: TestClient, body: bytes, content_type: str, query: str
) -> None:
    """An exception inside the app would be raised here, and a 5xx would blame us."""
    answer = client.request(
        "POST",
        f"/v1/explain?{query.replace('#', '')}",
        content=body,
        headers={b"Content-Type": content_type.encode("latin-1")},
    )

    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
