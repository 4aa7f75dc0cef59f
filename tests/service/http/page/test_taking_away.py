"""What leaves the page is what the API said."""

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import Page

from service.http.page.samples import SAMPLES

Wait = Callable[[Page], Page]


@pytest.fixture
def answered(page: Page, explained: Wait) -> Page:
    """A page with an answer to a request with every kind of option."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_label("Method", exact=True).select_option("occlusion")
    page.get_by_text("Parameters").click()
    page.get_by_label("window").fill("8")
    page.get_by_label("baseline").select_option(label="black")
    page.get_by_label("stride").fill("4")
    page.get_by_role("radio", name="none").check()
    page.get_by_role("button", name="Coffee").click()
    return explained(page)


def download(page: Page, name: str) -> tuple[str, bytes]:
    """Press a button; the file's name and content."""
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    return download.value.suggested_filename, download.value.path().read_bytes()


def test_the_files_hold_the_answer(answered: Page) -> None:
    """numpy, json and Pillow read them."""
    png_name, png = download(answered, "Overlay, .png")
    npy_name, npy = download(answered, "Map, .npy")
    json_name, text = download(answered, "Answer, .json")

    assert [png_name, npy_name, json_name] == [f"coffee-occlusion.{kind}" for kind in ("png", "npy", "json")]
    answer = json.loads(text)
    assert PIL.Image.open(io.BytesIO(png)).size == (512, 512)
    assert np.load(io.BytesIO(npy)).shape == tuple(answer["explanation"]["map"]["shape"])
    assert answer["explanation"]["parameters"] == {
        "window": 8,
        "stride": 4,
        "baseline": "black",
        "scalar": "logit",
    }


@pytest.mark.parametrize("language", ["curl", "Python"])
def test_the_copied_code_gives_the_same_answer(answered: Page, tmp_path: Path, language: str) -> None:
    """It is run as it was copied, beside a copy of the picture."""
    if language == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    _, text = download(answered, "Answer, .json")
    answered.get_by_role("button", name=f"Copy the {language} code").click()
    code = answered.evaluate("navigator.clipboard.readText()")
    shutil.copy(SAMPLES / "coffee.jpg", tmp_path)

    if language == "curl":
        subprocess.run(["bash", "-c", code], cwd=tmp_path, check=True)
        assert (
            json.loads((tmp_path / "answer.json").read_text())["explanation"]
            == json.loads(text)["explanation"]
        )
    else:
        ran = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        assert ran.stdout.strip() == "red"


def test_the_copied_curl_command_takes_any_file_name(page: Page, explained: Wait, tmp_path: Path) -> None:
    """curl reads commas, semicolons and quotes in it as its own, where they are not quoted."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    photo = shutil.copy(SAMPLES / "coffee.jpg", tmp_path / 'one, "two"; it\'s three\\.jpg')
    page.get_by_role("radio", name="none").check()
    page.get_by_label("Choose a file").set_input_files(photo)
    explained(page)

    code = page.get_by_label("The request as curl").inner_text()
    subprocess.run(["bash", "-c", code], cwd=tmp_path, check=True)

    answer = json.loads((tmp_path / "answer.json").read_text())
    assert answer["prediction"]["top_k"][0]["label"] == "red"
