"""Explanations side by side, and the same picture under twin models."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

from service.engine import Engine
from service.request import ExplainedPrediction

Wait = Callable[[Page], Page]
Open = Callable[..., Page]
Drawn = Callable[..., NDArray[np.uint8]]

METHODS = ("grad_cam", "gradient", "integrated_gradients", "smooth_grad")


def test_four_methods_stand_side_by_side(page: Page, explained: Wait, drawn: Drawn) -> None:
    """Each with its own map and verdict; one of them at a time with all its numbers."""
    for place, method in enumerate(METHODS):
        if place:
            page.get_by_role("button", name="Compare with another method").click()
        page.get_by_label("Method", exact=True).nth(place).select_option(method)
    expect(page.get_by_role("button", name="Compare with another method")).to_be_hidden()  # four are enough

    page.get_by_role("button", name="Coffee").click()
    expect(page.locator(".panel .verdict")).to_have_count(4)
    explained(page)

    names = [method.replace("_", " ") for method in METHODS]
    expect(page.locator("figcaption .choice span > b")).to_have_text(names)
    assert len({drawn(page, figure).tobytes() for figure in range(4)}) == 4
    assert len({page.locator(".panel").nth(figure).bounding_box()["y"] for figure in range(4)}) == 1  # type: ignore[index]

    # The small model sees only mean colours, which shuffling and blurring keep.
    expect(page.locator(".ranking")).to_contain_text("Fewer than two removal operators")

    map_section = page.locator("#detail section", has=page.get_by_role("heading", name="Map", exact=True))
    expect(map_section).to_contain_text("methodgrad cam")
    page.get_by_role("radio", name="D smooth grad").check()
    expect(map_section).to_contain_text("methodsmooth grad")


def test_a_comparison_can_shrink_again(page: Page) -> None:
    """The letters stay without a gap."""
    for _ in range(2):
        page.get_by_role("button", name="Compare with another method").click()
    page.get_by_role("button", name="Remove explanation B").click()

    expect(page.locator("legend")).to_have_text(["Explanation A", "Explanation B"])


def test_twins_answer_the_same_question(page: Page, explained: Wait, drawn: Drawn) -> None:
    """The same small classifier under two names must give the same map."""
    page.get_by_role("button", name="Compare with the twin model").click()
    page.get_by_role("button", name="Coffee").click()
    expect(page.locator(".panel .verdict")).to_have_count(2)
    explained(page)

    expect(page.locator("figcaption .choice span > span")).to_have_text(["colours v1", "colours-twin v1"])
    np.testing.assert_array_equal(drawn(page, 0), drawn(page, 1))
    page.get_by_role("radio", name="B grad cam").check()
    expect(page.get_by_label("The request as curl")).to_contain_text("-F target=0")  # as A predicted


@pytest.mark.parametrize("pair", ["cifar10", "blood-smear"])
def test_the_shipped_twins_stand_side_by_side(
    open_page: Open, shipped_address: str, explained: Wait, drawn: Drawn, pair: str
) -> None:
    """Standard and SCAAT, trained apart: one question, two maps, two verdicts, scores that compare between models."""
    page = open_page(shipped_address, viewport={"width": 1280, "height": 860})
    page.get_by_label("Model", exact=True).select_option(label=f"{pair}-standard v1")
    page.get_by_role("button", name="Compare with the twin model").click()
    page.get_by_label("Method", exact=True).nth(0).select_option("input_x_gradient")
    page.get_by_label("Method", exact=True).nth(1).select_option("input_x_gradient")
    page.get_by_role("button", name="Chelsea").click()
    expect(page.locator(".panel .verdict")).to_have_count(2)
    explained(page)

    names = page.locator("figcaption .choice span > span")
    expect(names).to_have_text([f"{pair}-standard v1", f"{pair}-scaat v1"])
    assert (drawn(page, 0) != drawn(page, 1)).any()
    asked = page.locator("#question").inner_text()
    page.get_by_role("radio", name="B input x gradient").check()
    expect(page.locator("#question")).to_have_text(asked)
    expect(page.get_by_label("The request as curl")).to_contain_text(f"-F model={pair}-scaat")
    expect(page.locator("#detail .facts").first).to_be_visible()


def test_only_twins_are_offered_for_comparison(page: Page) -> None:
    """Classes of another model have other numbers."""
    page.get_by_role("button", name="Compare with another method").click()

    first, second = page.get_by_label("Model", exact=True).all()
    expect(first.locator("option")).to_have_count(3)
    expect(second.locator("option")).to_have_text(["colours v1", "colours-twin v1"])

    first.select_option(label="imagenet-efficientnet-lite0 v1")
    expect(page.get_by_role("button", name="Compare with the twin model")).to_be_hidden()
    expect(second).to_be_hidden()


def test_no_two_requests_run_at_once(
    page: Page, explained: Wait, page_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has the device and its time limit to itself."""
    works: list[Future[ExplainedPrediction]] = []
    finished: list[bool] = []
    explain = page_engine.explain

    def spy(*arguments: Any) -> "Future[ExplainedPrediction]":
        finished.extend(work.done() for work in works)
        works.append(explain(*arguments))
        return works[-1]

    monkeypatch.setattr(page_engine, "explain", spy)
    page.get_by_role("button", name="Compare with another method").click()
    page.get_by_role("button", name="Coffee").click()
    expect(page.locator(".panel .says")).to_have_count(2)
    explained(page)

    assert len(works) == 2
    assert finished == [True]


def test_a_certificate_says_what_was_measured(open_page: Open, shipped_address: str, explained: Wait) -> None:
    """Asked for when it is shown: with the list of models it would be a third of the first visit."""
    page = open_page(shipped_address)
    page.get_by_label("Model", exact=True).select_option(label="cifar10-standard v1")
    page.get_by_role("radio", name="none").check()
    page.get_by_role("button", name="Coffee").click()
    explained(page)

    section = page.locator("section.third", has=page.get_by_role("heading", name="Certificate"))
    expect(section.locator("li")).to_have_count(4)
    for check in section.locator("li").all():
        expect(check).to_contain_text("Measured")
