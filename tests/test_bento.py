"""The bento that `bentoml build` makes, on its own: nothing of the checkout may be missing from it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import running_server

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build offline; the folder of the built source tree."""
    home = tmp_path_factory.mktemp("bentoml")
    environment = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    subprocess.run(
        [sys.executable, "-m", "bentoml", "build", "--output", "tag"],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
    )
    [source] = home.glob("bentos/saliserve/*/src")
    return source


def test_it_holds_the_service_and_the_models_and_no_training(bento: Path):
    names = {path.name for path in bento.iterdir()}
    assert {"service", "models", "samples"} <= names
    assert not names & {"training", "tests", "client", "benchmarks"}


def test_it_starts_alone_and_explains_its_own_sample(bento: Path, tmp_path: Path):
    photo = (bento / "samples" / "coffee.jpg").read_bytes()
    with running_server(tmp_path, root=bento) as server:
        answer = server.post("/v1/explain?method=grad_cam&receipt=none", photo)
    assert answer["prediction"]["top_k"][0]["label"] == "espresso"
    assert answer["explanation"]["map"]["shape"] == [224, 224]
