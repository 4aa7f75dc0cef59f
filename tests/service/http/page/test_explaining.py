"""From a picture to its map and receipt, by every way in."""

import base64
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, Route, expect

Wait = Callable[[Page], Page]
Drawn = Callable[[Page], NDArray[np.uint8]]

DROP = """
([type, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], "handed.jpg", { type: "image/jpeg" }));
  const kind = type === "paste" ? ClipboardEvent : DragEvent;
  const carried = type === "paste" ? { clipboardData: transfer } : { dataTransfer: transfer };
  document.body.dispatchEvent(new kind(type, { bubbles: true, cancelable: true, ...carried }));
}
"""


def test_a_chosen_file_becomes_a_map_with_a_verdict(
    page: Page, photo: Path, explained: Wait, drawn: Drawn
) -> None:
    """The whole point, in one click."""
    page.get_by_label("Choose a file").set_input_files(photo)
    explained(page)

    expect(page.locator("#question")).to_have_text("Why red?")  # coffee in a red cup on red wood
    verdicts = {"faithful", "mixed", "indistinguishable from random", "cannot be scored"}
    assert page.locator("#summary .verdict").inner_text() in verdicts
    assert page.locator(".prediction li").count() == 3
    assert drawn(page).std() > 10


def test_what_is_asked_for_beside_the_verdict_is_shown(page: Page, photo: Path, explained: Wait) -> None:
    """Each with a word on what it means; the verdict stays what it is."""
    page.get_by_text("What else to measure").click()
    for name in ("luck", "magnitudes", "pixels", "stability", "repeatability"):
        page.get_by_label(name, exact=True).check()
    page.get_by_label("Choose a file").set_input_files(photo)
    explained(page)

    section = page.locator(".measures")
    titles = section.locator("h4").all_inner_texts()
    assert titles == ["Luck", "Magnitudes", "Pixel by pixel", "Stability", "Repeatability"]
    assert section.locator("table").count() == 2


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_may_be_dropped_or_pasted(page: Page, photo: Path, explained: Wait, way: str) -> None:
    """Anywhere on the page."""
    page.evaluate(DROP, [way, base64.b64encode(photo.read_bytes()).decode()])

    explained(page)
    expect(page.locator("#preview-name")).to_have_text("handed.jpg")


def test_a_sample_is_one_click_away(page: Page, explained: Wait) -> None:
    """Nobody has a photo at hand when first looking."""
    page.get_by_role("button", name="Coffee").click()

    explained(page)
    expect(page.locator("#preview-name")).to_have_text("coffee.jpg")


def test_the_sample_that_was_chosen_last_counts(page: Page, explained: Wait) -> None:
    """Not the one that happened to arrive last."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/samples/coffee.jpg", hold)
    page.get_by_role("button", name="Coffee").click()
    page.get_by_role("button", name="Chelsea").click()
    explained(page)
    with page.expect_event("requestfinished", lambda request: request.url.endswith("/samples/coffee.jpg")):
        for route in held:
            route.continue_()

    # By the time that it takes to decode the late one once more, the page would have taken it.
    page.evaluate("() => Object.assign(new Image(), { src: 'samples/coffee.jpg?again' }).decode()")
    explained(page)
    expect(page.locator("#preview-name")).to_have_text("chelsea.jpg")


def test_a_photo_may_be_taken(page: Page, explained: Wait) -> None:
    """Chromium's fake camera shows a green picture."""
    page.get_by_role("button", name="Take a photo").click()
    page.get_by_role("button", name="Take the photo").click()

    explained(page)
    expect(page.locator("#question")).to_have_text("Why green?")


def test_any_class_can_be_asked_for(page: Page, explained: Wait) -> None:
    """Of those predicted by a click, of all others by name, each against another."""
    page.get_by_role("button", name="Coffee").click()
    explained(page)

    page.get_by_role("button", name="Why green?").click()
    expect(page.locator("#question")).to_have_text("Why green?")
    explained(page)

    page.get_by_label("rather than").select_option(label="another class …")
    page.get_by_label("Class to hold against it").fill("blue")
    page.get_by_role("button", name="Explain", exact=True).click()
    expect(page.locator("#question")).to_have_text("Why green rather than blue?")


def test_a_new_picture_is_asked_about_its_own_class(page: Page, photo: Path, explained: Wait) -> None:
    """The former picture's target would be a wrong question."""
    page.get_by_role("button", name="Coffee").click()
    explained(page)
    page.get_by_role("button", name="Why green?").click()
    explained(page)

    page.get_by_label("Choose a file").set_input_files(photo)
    expect(page.locator("#question")).to_have_text("Why red?")


def test_a_receipt_can_be_left_out(page: Page, explained: Wait) -> None:
    """It is what costs most; that nothing is known then is said."""
    page.get_by_role("radio", name="none").check()
    page.get_by_role("button", name="Coffee").click()
    explained(page)

    expect(page.locator("#summary")).to_contain_text("nothing is known of how faithful this map is")
    expect(page.locator(".curves")).to_have_count(0)


def test_a_receipt_shows_its_curves_scores_and_audit(page: Page, explained: Wait) -> None:
    """A verdict without its numbers would have to be believed."""
    page.get_by_role("radio", name="full").check()
    page.get_by_role("button", name="Coffee").click()
    explained(page)

    operators = ["noise", "black", "gaussian blur", "channel mean", "road"]
    expect(page.locator(".curves figcaption b")).to_have_text(operators)
    for table in page.get_by_role("table").all():
        expect(table.get_by_role("rowheader")).to_have_text(operators)


def test_a_method_that_nobody_checked_is_called_so(page: Page, explained: Wait) -> None:
    """The small model of these tests has no certificates; silence would read as approval."""
    page.get_by_role("radio", name="none").check()
    page.get_by_role("button", name="Coffee").click()
    explained(page)

    section = page.locator("section.third", has=page.get_by_role("heading", name="Certificate"))
    expect(section.locator("p b")).to_have_text("not certified")
    expect(section.locator("li")).to_have_count(0)


def test_a_methods_options_are_the_apis(page: Page, explained: Wait) -> None:
    """What differs from the default is sent, and comes back in the answer."""
    page.get_by_label("Method", exact=True).select_option("occlusion")
    page.get_by_text("Parameters").click()
    page.get_by_label("window").fill("8")
    page.get_by_label("stride").fill("4")
    page.get_by_label("baseline").select_option(label="black")
    page.get_by_role("button", name="Coffee").click()
    explained(page)

    facts = page.locator("#detail section", has=page.get_by_role("heading", name="Map", exact=True))
    expect(facts).to_contain_text("window8")
    expect(facts).to_contain_text("stride4")
    expect(facts).to_contain_text("baselineblack")


def test_a_format_that_browsers_cannot_show_is_painted_by_the_service(
    page: Page, photo: Path, explained: Wait, tmp_path: Path
) -> None:
    """TIFF is what microscopes write."""
    tiff = tmp_path / "slide.tiff"
    PIL.Image.open(photo).save(tiff)

    page.get_by_label("Choose a file").set_input_files(tiff)
    explained(page)

    size = page.locator(".plate img").evaluate("(image) => [image.naturalWidth, image.naturalHeight]")
    assert min(size) >= 300
