"""The examples of the README and of docs/http.md, run as they stand against the real server with the shipped model."""

import json
import re
import shlex
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.bundle.arguments import parse
from tests.server import Server, running_server

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
HTTP = (ROOT / "docs" / "http.md").read_text()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # A deadline would cut short on a busy machine what the examples are to compare.
    with running_server(tmp_path_factory.mktemp("server"), default_deadline_ms=120_000) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder with the samples in it: what the examples write lands beside."""
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    (tmp_path / "photo.jpg").symlink_to(ROOT / "samples" / "coffee.jpg")
    return tmp_path


def blocks(language: str, document: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", document, re.DOTALL)


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_curl_examples_explain_the_coffee(server: Server, folder: Path):
    [script] = blocks("bash")
    out = run(["bash", "-euc", script.replace("localhost:3000", f"127.0.0.1:{server.port}")], folder)
    assert '"espresso"' in out
    assert '"verdict"' in out
    assert (folder / "overlay.png").read_bytes().startswith(b"\x89PNG")


def test_the_python_example_prints_label_and_verdict(server: Server, folder: Path):
    [script] = blocks("python")
    out = run([sys.executable, "-c", script.replace("http://localhost:3000", server.url)], folder)
    label, verdict = out.splitlines()
    assert label == "espresso"
    assert verdict.split(" - ")[0] in {
        "faithful",
        "mixed",
        "indistinguishable from random",
        "cannot be scored",
    }


def test_the_command_line_example_writes_the_overlay(server: Server, folder: Path):
    [command] = re.findall(r"`saliserve (explain .*?)`", README)
    run([sys.executable, "-m", "saliserve_client", *command.split(), "--url", server.url], folder)
    assert list((folder / "out").glob("*.png"))


def test_the_two_ways_of_sending_a_picture_have_the_same_answer(server: Server, folder: Path):
    """And the third, with the options as JSON, one with fewer classes."""
    two_ways, as_json = (script for script in blocks("sh", HTTP) if "window" in script)
    answers = [
        json.loads(
            run(["bash", "-euc", command.replace("localhost:3000", f"127.0.0.1:{server.port}")], folder)
        )
        for command in [*two_ways.splitlines(), as_json]
    ]
    assert [answer["explanation"]["parameters"]["window"] for answer in answers] == [32] * 3
    assert len({answer["explanation"]["map"]["data"] for answer in answers}) == 1
    assert len(answers[2]["prediction"]["top_k"]) == 3


def test_the_triton_example_explains_the_coffee(server: Server, folder: Path):
    [script] = [script for script in blocks("py", HTTP) if "triton" in script]
    out = run([sys.executable, "-c", script.replace("localhost:3000", f"127.0.0.1:{server.port}")], folder)
    assert "b'espresso'" in out
    assert out.rstrip().endswith("(1, 224, 224)")


def test_the_kserve_example_explains_the_coffee(server: Server, folder: Path):
    """The page leaves out most of the picture."""
    [body] = [body for body in blocks("json", HTTP) if "instances" in body]
    photo = b64encode((folder / "photo.jpg").read_bytes()).decode()
    path = "/v1/models/imagenet-efficientnet-lite0:explain"
    answer = server.ask("POST", path, json=json.loads(body.replace("/9j/4AAQ…", photo)))
    [explanation] = answer.json()["explanations"]
    assert explanation["prediction"]["top_k"][0]["label"] == "espresso"
    assert explanation["explanation"]["method"] == "grad_cam"
    assert explanation["receipt"]["verdict"]


def test_every_local_link_leads_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("document", ["README.md", "docs/gradients.md"])
def test_the_build_command_is_one_that_the_builder_takes(document: str):
    [command] = re.findall(r"service\.bundle (build .*?)\n```", (ROOT / document).read_text(), re.DOTALL)
    given = parse(shlex.split(command.replace("\\\n", " ")))
    assert (given.name, given.version, given.mean) == ("my-model", "1", [0.485, 0.456, 0.406])
