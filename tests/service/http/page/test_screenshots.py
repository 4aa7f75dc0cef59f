"""The pictures in the documents: taken by a test, looked at by people.

`make screenshots` writes them to docs/images; any other run to a temporary folder.
"""

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import Page, expect

Wait = Callable[[Page], Page]
Open = Callable[..., Page]

LARGEST_BYTES = 200_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the pictures go."""
    return Path(os.environ.get("SCREENSHOTS", tmp_path))


def shoot(page: Page, path: Path, *, top: str = "body") -> None:
    """Take a picture of what is in sight from an element on."""
    page.locator(top).evaluate("(node) => node.scrollIntoView({ behavior: 'instant' })")
    shot = PIL.Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    shot.save(path, quality=90, method=6)
    assert np.ptp(np.asarray(shot)) > 200
    assert path.stat().st_size < LARGEST_BYTES


def ask(page: Page, sample: str, *methods: str) -> None:
    """Explain a sample by the default model."""
    page.get_by_label("Model", exact=True).select_option(label="imagenet-efficientnet-lite0 v1")
    for place, method in enumerate(methods):
        if place:
            page.get_by_role("button", name="Compare with another method").click()
        page.get_by_label("Method", exact=True).nth(place).select_option(method)
    page.get_by_role("button", name=sample).click()
    expect(page.locator(".panel .scale")).to_have_count(len(methods))


def test_by_day(open_page: Open, explained: Wait, folder: Path) -> None:
    """One answer with its receipt."""
    page = open_page(viewport={"width": 1280, "height": 1180}, color_scheme="light")
    ask(page, "Coffee", "grad_cam")

    shoot(explained(page), folder / "page.webp")


def test_by_night(open_page: Open, explained: Wait, folder: Path) -> None:
    """Four methods beside each other."""
    page = open_page(viewport={"width": 1280, "height": 860}, color_scheme="dark")
    ask(page, "Coffee", "grad_cam", "input_x_gradient", "smooth_grad", "occlusion")

    shoot(explained(page), folder / "page-dark.webp")


def test_on_a_phone(open_page: Open, explained: Wait, folder: Path) -> None:
    """The answer, as it comes into sight."""
    size = {"width": 390, "height": 844}
    page = open_page(viewport=size, device_scale_factor=2, has_touch=True, is_mobile=True)
    ask(page, "Coffee", "grad_cam")

    shoot(explained(page), folder / "page-phone.webp", top="#answer")
