"""How the page's files travel."""

import gzip
import re
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Page

Open = Callable[..., Page]

FIRST_PAINT_BYTES = 100_000


@pytest.fixture(scope="session")
def links(client: TestClient) -> list[str]:
    """What the page refers to."""
    return re.findall(r'(?:src|href)="(page/[^"]+)"', client.get("/").text)


def test_nothing_inline_and_nothing_from_elsewhere_is_allowed(client: TestClient) -> None:
    """The policy is the last wall, should markup ever get in."""
    headers = client.get("/").headers

    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data: blob:",
        "connect-src": "'self'",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_files_may_be_kept_for_ever_but_the_page_itself_not(client: TestClient, links: list[str]) -> None:
    """Their addresses hold a digest of all of them, so a new version has new addresses."""
    assert client.get("/").headers["cache-control"] == "no-cache"
    assert {client.get(link).headers["cache-control"] for link in links} == {
        "public, max-age=31536000, immutable"
    }
    assert len({link.split("/")[1] for link in links}) == 1


def test_every_module_is_named_by_the_page(client: TestClient, links: list[str]) -> None:
    """Else the browser would find it late, one import after the other."""
    imported = {
        name
        for link in links
        if link.endswith(".js")
        for name in re.findall(r'from "\./(\w+\.js)"', client.get(link).text)
    }
    assert imported < {link.rsplit("/", 1)[1] for link in links}


@pytest.mark.parametrize(
    "path",
    ["/page/old/main.js", "/page/{version}/none.js", "/page/{version}/..%2findex.html", "/samples/none.jpg"],
)
def test_what_is_not_there_is_a_problem(client: TestClient, links: list[str], path: str) -> None:
    """Of another version, unknown, or outside the folder."""
    answer = client.get(path.format(version=links[0].split("/")[1]))

    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_compression_is_the_browsers_choice(client: TestClient) -> None:
    """A client without it gets the file as it is."""
    with client.stream("GET", "/", headers={"Accept-Encoding": "gzip"}) as answer:
        compressed = b"".join(answer.iter_raw())
    plain = client.get("/", headers={"Accept-Encoding": "identity, gzip;q=0"})

    assert gzip.decompress(compressed) == plain.content
    assert "content-encoding" not in plain.headers
    assert len(compressed) < len(plain.content) / 2


def test_the_first_paint_is_light(open_page: Open, shipped_address: str) -> None:
    """All that travels until the page is ready, without the sample pictures; the API's list of all bundles included."""
    page = open_page(shipped_address)
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    names: dict[str, str] = {}
    sizes: dict[str, float] = {}
    session.on(
        "Network.responseReceived", lambda event: names.update({event["requestId"]: event["response"]["url"]})
    )
    session.on(
        "Network.loadingFinished",
        lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}),
    )
    page.reload()
    page.locator("#explain:enabled").wait_for()
    page.wait_for_load_state("networkidle")

    # What the page had still been loading when the counting began has a size but no name.
    counted = {
        names[key]: size for key, size in sizes.items() if "/samples/" not in names.get(key, "/samples/")
    }
    assert len(counted) > 20
    assert shipped_address + "v1/models?manifest=false" in counted
    assert sum(counted.values()) < FIRST_PAINT_BYTES
