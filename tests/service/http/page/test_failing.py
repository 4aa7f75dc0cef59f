"""Errors, in the API's own words."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

Wait = Callable[[Page], Page]


def test_a_file_that_is_no_picture_is_refused_in_the_apis_words(page: Page, tmp_path: Path) -> None:
    """The page adds nothing of its own to the detail."""
    path = tmp_path / "notes.jpg"
    path.write_text("These are notes.")

    with page.expect_response("**/v1/explain") as response:
        page.get_by_label("Choose a file").set_input_files(path)
    problem = response.value.json()

    expect(page.locator(".problem strong")).to_have_text(problem["title"])
    expect(page.locator(".problem p")).to_have_text(problem["detail"])
    expect(page.locator(".problem small")).to_contain_text(problem["request_id"])
    assert problem["detail"] in page.locator("#status").inner_text()


def test_one_failure_leaves_the_other_explanations_alone(page: Page, explained: Wait) -> None:
    """A stride beyond the window leaves gaps, which the API refuses."""
    page.get_by_label("Method", exact=True).select_option("occlusion")
    page.get_by_text("Parameters").click()
    page.get_by_label("window").fill("4")
    page.get_by_label("stride").fill("8")
    page.get_by_role("button", name="Compare with another method").click()
    page.get_by_role("button", name="Coffee").click()
    explained(page)
    expect(page.locator(".panel .says")).to_have_count(1)

    expect(page.locator(".panel").nth(0).locator(".problem")).to_contain_text("stride")
    expect(page.locator("#question")).to_have_text("Why red?")


def test_a_class_that_does_not_exist_is_the_apis_to_refuse(page: Page, explained: Wait) -> None:
    """Any text can be typed."""
    page.get_by_role("button", name="Coffee").click()
    explained(page)
    page.get_by_label("Why", exact=True).select_option(label="another class …")
    page.get_by_label("Class to explain").fill("mauve")
    page.get_by_role("button", name="Explain", exact=True).click()

    expect(page.locator(".problem")).to_contain_text("target 'mauve' is no label of the model.")


def test_a_label_of_several_classes_is_the_apis_to_refuse(page: Page, explained: Wait) -> None:
    """The first of them may be the wrong one; here the service, which knows but one red, has nothing against it."""

    def ambiguous(route: Route) -> None:
        answer = route.fetch()
        listed = answer.json()
        for model in listed["models"]:
            model["classes"][2] = "red"
        route.fulfill(response=answer, json=listed)

    page.route("**/v1/models?manifest=false", ambiguous)
    page.reload()
    page.get_by_role("button", name="Coffee").click()
    explained(page)
    page.get_by_label("Why", exact=True).select_option(label="another class …")
    page.get_by_label("Class to explain").fill("red")
    page.get_by_role("button", name="Explain", exact=True).click()
    explained(page)

    expect(page.get_by_label("The request as curl")).to_contain_text("-F target=red")


def test_a_service_that_is_gone_is_named(page: Page) -> None:
    """There is no answer whose words could be shown."""
    page.route("**/v1/explain", lambda route: route.abort())
    page.get_by_role("button", name="Coffee").click()

    expect(page.locator(".problem")).to_contain_text("The service cannot be reached.")


def test_a_sample_that_does_not_come_is_a_problem_and_no_picture(page: Page) -> None:
    """Neither silence, where the service is gone, nor its refusal taken for the picture itself."""
    page.route("**/samples/coffee.jpg", lambda route: route.abort())
    page.get_by_role("button", name="Coffee").click()
    expect(page.locator(".problem")).to_contain_text("The service cannot be reached.")

    refusal = {"title": "Draining", "status": 503, "detail": "The service is shutting down."}
    page.route(
        "**/samples/coffee.jpg",
        lambda route: route.fulfill(
            status=503, content_type="application/problem+json", body=json.dumps(refusal)
        ),
    )
    page.get_by_role("button", name="Coffee").click()
    expect(page.locator(".problem")).to_contain_text("The service is shutting down.")


def test_overload_tells_when_to_come_back(page: Page) -> None:
    """As the API's Retry-After does."""

    def overloaded(route: Route) -> None:
        route.fulfill(
            status=503,
            headers={"Retry-After": "7", "Content-Type": "application/problem+json"},
            body=json.dumps({"title": "Overloaded", "status": 503, "detail": "The queue is full."}),
        )

    page.route("**/v1/explain", overloaded)
    page.get_by_role("button", name="Coffee").click()

    expect(page.locator(".problem")).to_contain_text("The queue is full.Try again in 7 s.")


@pytest.mark.parametrize("way", ["button", "Enter"])
def test_a_service_with_keys_asks_for_one(
    page: Page, guarded_address: str, explained: Wait, way: str
) -> None:
    """The key goes with every later request, but into no code that is copied."""
    page.goto(guarded_address)
    expect(page.locator(".problem")).to_contain_text("This service asks for an API key and none was sent.")
    page.get_by_label("API key").fill("sesame")
    if way == "Enter":
        page.get_by_label("API key").press("Enter")
    else:
        page.get_by_role("button", name="Use this key").click()
    page.get_by_role("button", name="Coffee").click()
    explained(page)

    expect(page.locator("#question")).to_have_text("Why red?")
    expect(page.get_by_label("API key")).to_be_hidden()
    expect(page.get_by_label("The request as curl")).to_contain_text("Bearer $SALISERVECLIENT_API_KEY")
    assert "sesame" not in page.locator("#answer").inner_text()


COUNT_LISTENERS = """
window.listeners = 0;
const add = EventTarget.prototype.addEventListener;
EventTarget.prototype.addEventListener = function (...rest) {
  if (this.id === "add") window.listeners += 1;
  return add.apply(this, rest);
};
"""


def test_another_key_leaves_nothing_of_the_former_behind(
    page: Page, guarded_address: str, explained: Wait
) -> None:
    """A key that is withdrawn is asked for anew; the buttons must not act for the list of then and that of now."""
    page.add_init_script(COUNT_LISTENERS)
    page.goto(guarded_address)
    for _ in range(3):
        page.get_by_label("API key").fill("sesame")
        page.get_by_role("button", name="Use this key").click()
        expect(page.get_by_label("API key")).to_be_hidden()
        page.evaluate("document.getElementById('keyring').hidden = false")
    page.evaluate("document.getElementById('keyring').hidden = true")

    page.get_by_role("button", name="Compare with another method").click()
    page.get_by_role("button", name="Coffee").click()
    explained(page)

    assert page.evaluate("window.listeners") <= 1
    expect(page.locator(".panel")).to_have_count(2)


def test_a_seed_that_a_browser_cannot_count_to_is_refused(page: Page, explained: Wait) -> None:
    """2^53 + 1 would be sent as 2^53, and the answer would be another seed's; 2^53 - 1 is exact."""
    page.get_by_text("Seed and time limit").click()
    page.get_by_label("seed", exact=True).fill(str(2**53 + 1))
    page.get_by_role("button", name="Coffee").click()
    expect(page.locator(".problem")).to_contain_text("The seed 9007199254740993 is too large for a browser")
    expect(page.locator(".panel")).to_have_count(0)

    page.get_by_label("seed", exact=True).fill(str(2**53 - 1))
    page.get_by_role("button", name="Explain", exact=True).click()
    explained(page)
    expect(page.get_by_label("The request as curl")).to_contain_text("-F seed=9007199254740991")


def test_what_was_dropped_must_be_a_file(page: Page) -> None:
    """A picture dragged from another page arrives as its address only, which the page must not fetch."""
    page.evaluate(
        """() => {
          const dataTransfer = new DataTransfer();
          dataTransfer.setData("text/uri-list", "https://elsewhere.example/cat.jpg");
          document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer }));
        }"""
    )

    expect(page.get_by_role("alert")).to_contain_text("That was no file.")
