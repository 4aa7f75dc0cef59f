"""Keyboards, screen readers, phones, dark rooms."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

Wait = Callable[[Page], Page]
Open = Callable[..., Page]

AXE = Axe()


def serious(page: Page) -> list[str]:
    """What axe-core finds that keeps people out."""
    found: list[dict[str, Any]] = AXE.run(page).response["violations"]
    return [
        f"{rule['id']}: {rule['nodes'][0]['html'][:160]}"
        for rule in found
        if rule["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_axe_finds_nothing_serious(open_page: Open, explained: Wait, width: int, scheme: str) -> None:
    """Before and after an answer: names, roles, contrast."""
    page = open_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    before = serious(page)
    page.get_by_role("button", name="Compare with another method").click()
    page.get_by_role("radio", name="full").check()
    page.get_by_role("button", name="Coffee").click()
    expect(page.locator(".panel .says")).to_have_count(2)
    explained(page)
    for details in page.locator("details").all():
        details.evaluate("(node) => (node.open = true)")

    assert before == []
    assert serious(page) == []


@pytest.mark.parametrize("width", [320, 768])
def test_nothing_is_wider_than_the_screen(open_page: Open, explained: Wait, width: int) -> None:
    """Only tables and code scroll sideways, by themselves."""
    page = open_page(viewport={"width": width, "height": 700})
    page.get_by_role("button", name="Compare with another method").click()
    page.get_by_role("button", name="Coffee").click()
    expect(page.locator(".panel .says")).to_have_count(2)
    explained(page)

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_a_phone_the_answer_comes_into_sight(open_page: Open, explained: Wait) -> None:
    """It lies below the form there."""
    page = open_page(viewport={"width": 360, "height": 700}, has_touch=True, is_mobile=True)
    page.get_by_role("button", name="Coffee").tap()
    explained(page)

    expect(page.locator("#question")).to_be_in_viewport()


def test_everything_can_be_done_from_the_keyboard(page: Page, explained: Wait) -> None:
    """Tab reaches the sample, the receipt, the button and the comparison; each shows that it has the focus."""
    walk(page, "button", "Chelsea")
    page.keyboard.press("Enter")
    explained(page)

    walk(page, "radio", "fast")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("radio", name="none")).to_be_checked()
    walk(page, "button", "Explain")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_contain_text("No receipt was asked for")
    explained(page)

    walk(page, "radio", "overlay")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="map")).to_be_checked()


def test_the_answer_is_one_key_from_the_top(page: Page) -> None:
    """The first stop skips the form."""
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.id") == "answer"


def test_a_screen_reader_hears_what_happens(page: Page, explained: Wait) -> None:
    """The live region tells the beginning and the end, and the clock stays silent."""
    page.evaluate(
        """() => {
          window.heard = [];
          const status = document.querySelector("[role=status]");
          const listen = () => window.heard.push(status.textContent);
          new MutationObserver(listen).observe(status, { childList: true });
        }"""
    )
    page.get_by_role("button", name="Coffee").click()
    explained(page)

    begun, done = page.evaluate("window.heard")
    assert begun == "Explaining with grad cam."
    assert done.startswith("red, grad cam. Verdict: ")


def walk(page: Page, role: str, name: str) -> None:
    """Press Tab until a control has the focus."""
    wanted = page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]
    for _ in range(60):
        page.keyboard.press("Tab")
        if wanted.evaluate("(node) => node === document.activeElement"):
            return
    pytest.fail(f"Tab never reaches the {role} {name!r}")
