"""What lies in the folder of bundles is what is served, unless it is bad: then what was served before it still is."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from service.engine import Engine
from service.errors import SaliserveError, UnknownModelError
from service.reload import Reloader
from service.request import PredictOptions
from service.runtime.device import choose_device
from service.runtime.resident import resident_bytes
from service.runtime.store import ModelStore
from tests.service.http.conftest import build_colours

RED = np.full((16, 16, 3), (255, 0, 0), np.uint8)
"""Its logits are the confidence with which the classifier was built, and zeros."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build_colours(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def engine(folder: Path) -> Iterator[Engine]:
    with Engine(ModelStore(folder, choose_device("cpu", threads=1), default="colours")) as engine:
        yield engine


@pytest.fixture
def reloader(engine: Engine) -> Reloader:
    """Not started: the tests look when they want to."""
    return Reloader(engine, interval_s=1)


def settle(reloader: Reloader) -> None:
    """What has changed is acted on when it looks the same twice."""
    reloader.look()
    reloader.look()


def logit(engine: Engine, model: str | None = None, version: str | None = None) -> float:
    return engine.predict(RED, PredictOptions(model=model, version=version)).result().top_k[0].logit


def refusal(engine: Engine, name: str, version: str) -> SaliserveError:
    return engine.models.refused[name, version]


def test_a_new_version_answers_and_the_old_one_is_still_to_be_had(
    engine: Engine, reloader: Reloader, folder: Path
) -> None:
    build_colours(folder, version="2", confidence=20)

    settle(reloader)

    assert logit(engine) == pytest.approx(20)
    assert logit(engine, version="1") == pytest.approx(10)
    assert [model.manifest.version for model in engine.models] == ["2", "1"]
    assert engine.models.get().micro_batch("forward") >= 1  # type: ignore[arg-type]  # warm


def test_what_is_still_being_copied_is_left_alone(engine: Engine, reloader: Reloader, folder: Path) -> None:
    """A manifest without its files, of which one more is there at every look, is no bad bundle."""
    finished = build_colours(folder.parent / "elsewhere", version="2", confidence=20)
    copy = folder / "colours" / "2"
    copy.mkdir()
    for file in sorted(finished.iterdir(), key=lambda file: file.name != "manifest.json"):
        shutil.copy(file, copy)
        reloader.look()
        assert engine.models.refused == {}
        assert logit(engine) == pytest.approx(10)

    reloader.look()

    assert logit(engine) == pytest.approx(20)


def future_format(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps({**manifest, "format_version": 99}))


def one_byte(bundle: Path) -> None:
    content = bytearray((bundle / "classify.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / "classify.onnx").write_bytes(content)


def missing(bundle: Path) -> None:
    (bundle / "gradient.onnx").unlink()


def no_manifest(bundle: Path) -> None:
    (bundle / "manifest.json").unlink()


SPOILED = {
    one_byte: ("digest_mismatch", "has SHA-256"),
    future_format: ("manifest_error", "has format_version 99; this service reads"),
    missing: ("digest_mismatch", "gradient.onnx is missing"),
}


@pytest.mark.parametrize("spoil", SPOILED)
def test_a_bad_new_version_is_refused_until_it_is_mended(
    engine: Engine, reloader: Reloader, folder: Path, spoil: object
) -> None:
    code, said = SPOILED[spoil]  # type: ignore[index]
    bundle = build_colours(folder, version="2", confidence=20)
    good = shutil.copytree(bundle, folder.parent / "good")
    spoil(bundle)  # type: ignore[operator]

    settle(reloader)

    assert logit(engine) == pytest.approx(10)
    assert refusal(engine, "colours", "2").code == code
    assert said in refusal(engine, "colours", "2").detail
    with pytest.raises(UnknownModelError):
        engine.models.get("colours", "2")

    shutil.copytree(good, bundle, dirs_exist_ok=True)
    settle(reloader)

    assert engine.models.refused == {}
    assert logit(engine) == pytest.approx(20)


@pytest.mark.parametrize("spoil", [*SPOILED, no_manifest])
def test_what_is_spoiled_on_disk_is_served_on(
    engine: Engine, reloader: Reloader, folder: Path, spoil: object
) -> None:
    """From memory; and it is said."""
    spoil(folder / "colours" / "1")  # type: ignore[operator]

    settle(reloader)

    assert logit(engine) == pytest.approx(10)
    assert ("colours", "1") in engine.models.refused


def test_another_model_under_the_same_version_takes_its_place(
    engine: Engine, reloader: Reloader, folder: Path
) -> None:
    """As after `service.bundle build --force`."""
    shutil.rmtree(folder / "colours" / "1")
    build_colours(folder, confidence=30)

    settle(reloader)

    assert logit(engine) == pytest.approx(30)
    assert len(list(engine.models)) == 1


def test_what_was_only_touched_is_not_loaded_again(engine: Engine, reloader: Reloader, folder: Path) -> None:
    before = engine.models.get()
    os.utime(folder / "colours" / "1" / "manifest.json")

    settle(reloader)

    assert engine.models.get() is before


def test_a_version_that_is_gone_is_served_no_longer(engine: Engine, reloader: Reloader, folder: Path) -> None:
    second = build_colours(folder, version="2", confidence=20)
    settle(reloader)
    shutil.rmtree(second)

    settle(reloader)

    assert logit(engine) == pytest.approx(10)
    with pytest.raises(UnknownModelError):
        engine.models.get("colours", "2")


def test_the_last_version_of_the_default_model_stays(
    engine: Engine, reloader: Reloader, folder: Path
) -> None:
    """Requests that name no model are answered, whatever happens to the disk."""
    shutil.rmtree(folder / "colours")

    settle(reloader)

    assert logit(engine) == pytest.approx(10)
    assert "served on, from memory" in refusal(engine, "colours", "1").detail


def test_all_is_served_on_where_the_folder_itself_is_gone(
    engine: Engine, reloader: Reloader, folder: Path
) -> None:
    """As when storage is unmounted for a moment."""
    build_colours(folder, name="other")
    settle(reloader)
    folder.rename(folder.parent / "away")

    for _ in range(2):
        with pytest.raises(SaliserveError, match="there is no folder"):
            reloader.look()

    assert logit(engine, "other") == pytest.approx(10)


def test_a_model_beyond_the_memory_ceiling_is_refused_with_the_figures(folder: Path) -> None:
    """What this process holds already is more than the ceiling; the default model is served all the same."""
    ceiling = resident_bytes() // 2
    store = ModelStore(folder, choose_device("cpu", threads=1), default="colours", max_memory_bytes=ceiling)
    with Engine(store) as engine:
        reloader = Reloader(engine, interval_s=1)
        build_colours(folder, name="other")

        settle(reloader)

        assert refusal(engine, "other", "1").code == "memory_ceiling"
        assert f"allows {ceiling / 1e6:.0f} MB" in refusal(engine, "other", "1").detail
        assert logit(engine) == pytest.approx(10)


def test_a_worker_that_starts_beside_a_bad_bundle_serves_the_good_ones(folder: Path) -> None:
    """Else a worker that dies after a bad bundle was refused would never come back."""
    one_byte(build_colours(folder, version="2", confidence=20))
    one_byte(build_colours(folder, name="other"))

    with Engine(ModelStore(folder, choose_device("cpu", threads=1), default="colours")) as engine:
        assert logit(engine) == pytest.approx(10)
        assert sorted(engine.models.refused) == [("colours", "2"), ("other", "1")]


def test_without_a_good_version_of_the_default_model_there_is_no_start(folder: Path) -> None:
    one_byte(folder / "colours" / "1")

    with pytest.raises(SaliserveError, match="has SHA-256"):
        ModelStore(folder, choose_device("cpu", threads=1), default="colours")
