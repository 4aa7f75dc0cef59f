"""The page in a real browser, on the real service: two small twin models and the default bundle."""

import base64
import hashlib
import io
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import uvicorn
from fastapi import FastAPI
from numpy.typing import NDArray
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

from service.engine import Engine
from service.http.application import create_app
from service.runtime.device import choose_device
from service.runtime.store import ModelStore
from service.runtime.watch import Unwatched
from service.settings import BESIDE_THE_CODE, Settings
from tests.server import LONGEST_S

ROOT = Path(__file__).resolve().parents[4]
DEFAULT = "imagenet-efficientnet-lite0"
SMALL, TWIN = "colours", "colours-twin"

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
OWN_HOST = "http://127.0.0.1:"
PATIENCE_MS = 60_000
"""A busy machine of two cores is slow, not broken."""

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. Without one these tests are skipped; `.ci/run` installs it.

    Playwright keeps an event loop running in this thread while it lives, and no other test could start one:
    so it lives for one file only.
    """
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium on the PATH; on Debian: apt-get install chromium")
    with (
        sync_playwright() as playwright,
        closing(playwright.chromium.launch(executable_path=path, args=FLAGS, timeout=PATIENCE_MS)) as browser,
    ):
        yield browser


@pytest.fixture(scope="session")
def served_models(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the default bundle and with twins: the same small classifier under two names."""
    folder = tmp_path_factory.mktemp("page") / "models"
    shutil.copytree(models, folder)
    shutil.copytree(folder / SMALL, folder / TWIN)
    manifest = folder / TWIN / "1" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"name": TWIN}))
    shutil.copytree(BESIDE_THE_CODE / DEFAULT, folder / DEFAULT)
    return folder


class Dropping(Unwatched):
    """Notes how many passes had been spent on each request that was dropped in the midst of its work."""

    def __init__(self) -> None:
        self.spent: list[float] = []

    def cancelled(self, kind: str, forwards: float) -> None:
        del kind
        self.spent.append(forwards)


@pytest.fixture(scope="session")
def dropping() -> Dropping:
    """Of the engine below."""
    return Dropping()


@pytest.fixture(scope="session")
def page_engine(served_models: Path, dropping: Dropping) -> Iterator[Engine]:
    """The real one; every request may take as long as it likes."""
    models = ModelStore(served_models, choose_device("cpu", threads=2), default=SMALL)
    with Engine(models, watch=dropping) as engine:
        yield engine


@pytest.fixture
def dropped(dropping: Dropping) -> list[float]:
    """What the test has the engine drop."""
    dropping.spent.clear()
    return dropping.spent


@pytest.fixture(scope="session")
def address(page_engine: Engine, served_models: Path) -> Iterator[str]:
    """Of the real app behind a real server."""
    settings = Settings(models=served_models, provider="cpu", default_model=SMALL)
    with serving(create_app(page_engine, settings)) as address:
        yield address


@pytest.fixture(scope="session")
def guarded_address(page_engine: Engine, served_models: Path) -> Iterator[str]:
    """Of the same behind a key, which is `sesame`."""
    key = f"tester:{hashlib.sha256(b'sesame').hexdigest()}"
    settings = Settings(models=served_models, provider="cpu", default_model=SMALL, keys=(key,))
    with serving(create_app(page_engine, settings)) as address:
        yield address


@pytest.fixture(scope="session")
def shipped_address() -> Iterator[str]:
    """Of the real app with all the bundles that the project ships, as a checkout serves them."""
    settings = Settings(provider="cpu")
    models = ModelStore(settings.models, choose_device("cpu", threads=2), default=settings.default_model_name)
    with Engine(models) as engine, serving(create_app(engine, settings)) as address:
        yield address


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Run an app behind a real server; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=5))
    with listening(server) as port:
        yield f"{OWN_HOST}{port}/"


class listening(AbstractContextManager[int]):  # noqa: N801 - reads as a verb
    """Run a server in a thread; gives its port."""

    def __init__(self, server: uvicorn.Server) -> None:
        self._server = server
        self._started = threading.Event()
        self._thread = threading.Thread(target=server.run)

    def __enter__(self) -> int:
        startup = self._server.startup

        async def startup_and_tell(sockets: Any = None) -> None:
            await startup(sockets)
            self._started.set()

        self._server.startup = startup_and_tell  # type: ignore[method-assign]
        self._thread.start()
        assert self._started.wait(LONGEST_S)
        port: int = self._server.servers[0].sockets[0].getsockname()[1]
        return port

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()


@dataclass
class Watch:
    """What a page did that it must not do.

    Args:
        complaints: Errors in the console, exceptions, requests to other hosts.
    """

    complaints: list[str] = field(default_factory=list)

    def over(self, page: Page) -> None:
        """Watch a page from its beginning."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        # Chromium reports every failed answer; the page shows them itself, which other tests check.
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((OWN_HOST, "data:", "blob:")):
            self.complaints.append(f"request to {request.url}")


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[Open]:
    """Open the page in a fresh browser profile; in the end nothing may have gone wrong in it."""
    watch = Watch()
    with ExitStack() as contexts:

        def open_one(at: str = address, **options: Any) -> Page:
            context: BrowserContext = contexts.enter_context(closing(browser.new_context(**options)))
            context.set_default_timeout(PATIENCE_MS)
            page = context.new_page()
            watch.over(page)
            page.goto(at)
            page.locator("#explain:enabled").wait_for()
            return page

        yield open_one
    assert watch.complaints == []


@pytest.fixture
def page(open_page: Open) -> Page:
    """The page on a desk."""
    return open_page(viewport={"width": 1280, "height": 860})


@pytest.fixture
def photo() -> Path:
    """A photograph that is wider than high, so that the model sees only its middle."""
    return ROOT / "samples" / "coffee.jpg"


@pytest.fixture
def drawn() -> Callable[..., NDArray[np.uint8]]:
    """Read what a figure's canvas shows: ``[height, width, 3]``."""

    def read(page: Page, figure: int = 0) -> NDArray[np.uint8]:
        canvas = page.locator(".plate canvas").nth(figure)
        url: str = canvas.evaluate("(canvas) => canvas.toDataURL()")
        picture = PIL.Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
        return np.asarray(picture.convert("RGB"))

    return read


@pytest.fixture
def explained() -> Callable[[Page], Page]:
    """Wait until nothing is under way any more."""

    def wait(page: Page) -> Page:
        page.locator("#figures .notes:not(:empty)").first.wait_for()
        page.locator(".progress").wait_for(state="detached")
        return page

    return wait
