"""Long explanations: a clock, what the service tells of its work, and a way out."""

import re
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect

from service.engine import Engine
from service.http.application import create_app
from service.settings import Settings
from tests.server import LONGEST_S
from tests.service.http.page.conftest import OWN_HOST, PATIENCE_MS, SMALL, listening

Wait = Callable[[Page], Page]


@pytest.fixture
def waiting(page: Page) -> Page:
    """A page that waits for 5,000 windows: minutes of work, but half of what may queue."""
    page.get_by_label("Model", exact=True).select_option(label="imagenet-efficientnet-lite0 v1")
    page.get_by_label("Method", exact=True).select_option("occlusion")
    page.get_by_text("Parameters").click()
    page.get_by_label("window").fill("12")
    page.get_by_label("stride").fill("3")
    page.get_by_role("button", name="Coffee").click()
    page.locator(".progress").wait_for()
    return page


NOTE_PROGRESS = """
() => {
  window.accounts = [];
  window.shares = [];
  const look = () => {
    const progress = document.querySelector(".progress");
    if (!progress) return;
    const account = progress.querySelector(".hint").textContent;
    if (account !== window.accounts.at(-1)) window.accounts.push(account);
    const bar = progress.querySelector("progress");
    if (bar.hasAttribute("value")) window.shares.push(bar.value);
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
}
"""


def leave(page: Page, way: str) -> None:
    """Give up by one of the ways."""
    if way == "Escape":
        page.keyboard.press("Escape")
    else:
        page.get_by_role("button", name="Cancel").click()


def stops(page: Page, engine: Engine, dropped: list[float]) -> bool:
    """Tell whether the service drops the work in the midst of it, and has nothing left in its queue."""
    end = time.monotonic() + LONGEST_S
    while not dropped and time.monotonic() < end:
        page.wait_for_timeout(50)
    return bool(dropped) and engine.queued_forwards == 0


@pytest.mark.parametrize("way", ["button", "Escape"])
def test_work_can_be_cancelled(waiting: Page, page_engine: Engine, dropped: list[float], way: str) -> None:
    """The clock stops, and so does the work in the service: nothing is left in its queue."""
    expect(waiting.locator(".clock")).to_have_text(re.compile(r"^[1-9]\d*\.\d s$"))
    leave(waiting, way)

    expect(waiting.locator(".progress")).to_have_count(0)
    expect(waiting.locator("#status")).to_have_text("Cancelled.")
    if way == "button":  # which is gone; the keyboard must not begin at the top of the page
        expect(waiting.get_by_role("button", name="Explain", exact=True)).to_be_focused()
    assert stops(waiting, page_engine, dropped)


def test_escape_in_the_cameras_dialog_closes_that_only(waiting: Page, dropped: list[float]) -> None:
    """Whoever thinks better of a new photo still wants the explanation of the former picture."""
    waiting.get_by_role("button", name="Take a photo").click()
    expect(waiting.get_by_role("dialog")).to_be_visible()
    waiting.keyboard.press("Escape")
    expect(waiting.get_by_role("dialog")).to_be_hidden()

    expect(waiting.locator(".progress")).to_have_count(1)
    expect(waiting.locator("#status")).not_to_have_text("Cancelled.")
    assert dropped == []
    leave(waiting, "Escape")
    expect(waiting.locator("#status")).to_have_text("Cancelled.")


def test_after_a_cancelled_explanation_the_next_is_made(waiting: Page, explained: Wait) -> None:
    """Nothing of the first is left on the page."""
    leave(waiting, "button")
    waiting.get_by_label("Method", exact=True).select_option("grad_cam")
    waiting.get_by_role("button", name="Explain", exact=True).click()
    explained(waiting)

    expect(waiting.locator("#question")).to_have_text("Why espresso?")
    expect(waiting.locator(".panel")).to_have_count(1)


def test_a_new_picture_ends_the_former_ones_work(
    waiting: Page, explained: Wait, page_engine: Engine, dropped: list[float]
) -> None:
    """Whoever drops another picture no longer waits for the first."""
    waiting.get_by_label("Method", exact=True).select_option("grad_cam")
    waiting.get_by_role("button", name="Chelsea").click()
    explained(waiting)

    expect(waiting.locator("#preview-name")).to_have_text("chelsea.jpg")
    expect(waiting.locator(".panel")).to_have_count(1)
    assert stops(waiting, page_engine, dropped)


def test_the_wait_is_told_by_the_service(page: Page, explained: Wait) -> None:
    """Passes done, passes planned, time to go: live numbers of the API, and a bar that never runs backwards."""
    page.get_by_label("Model", exact=True).select_option(label="imagenet-efficientnet-lite0 v1")
    page.get_by_label("Method", exact=True).select_option("occlusion")
    page.evaluate(NOTE_PROGRESS)
    page.get_by_role("button", name="Coffee").click()
    explained(page)

    accounts = page.evaluate("window.accounts")
    shares = page.evaluate("window.shares")
    assert accounts[0] == "sending the picture"
    told = re.compile(
        r"(waiting for the device|classifying|making the map|measuring the map): ([\d,]+) of ([\d,]+) passes"
    )
    passes = [found.groups() for found in map(told.match, accounts) if found]
    assert len(passes) > 3
    assert {stage for stage, *_ in passes} >= {"making the map", "measuring the map"}
    assert {planned for *_, planned in passes} == {
        "234"
    }  # 1 to classify, 169 windows and the picture, 63 for the receipt
    assert any(re.search(r", about \d+ s to go$", account) for account in accounts)
    assert shares == sorted(shares)
    assert len(set(shares)) > 3


def test_a_service_that_dies_under_way_is_a_problem_and_not_a_wait_for_ever(
    browser: Browser, page_engine: Engine, served_models: Path, dropped: list[float]
) -> None:
    """The stream just ends; the page must not take that for an answer."""
    app = create_app(page_engine, Settings(models=served_models, provider="cpu", default_model=SMALL))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", timeout_graceful_shutdown=0))
    with closing(browser.new_context()) as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        with listening(server) as port:
            page.goto(f"{OWN_HOST}{port}/")
            page.locator("#explain:enabled").wait_for()
            page.get_by_label("Model", exact=True).select_option(label="imagenet-efficientnet-lite0 v1")
            page.get_by_label("Method", exact=True).select_option("occlusion")
            page.get_by_text("Parameters").click()
            page.get_by_label("window").fill("12")
            page.get_by_label("stride").fill("3")
            page.get_by_role("button", name="Coffee").click()
            expect(page.locator(".progress .hint")).to_contain_text("making the map")
        expect(page.locator(".problem")).to_contain_text("The service cannot be reached")
        assert stops(page, page_engine, dropped)
