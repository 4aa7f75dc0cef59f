"""A bundle is read completely or refused, and refused for the right reason."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from service.bundle.load import find_bundles, load_bundle
from service.errors import DigestError, ManifestError


def test_a_bundle_gives_its_manifest_and_its_graphs(bundle: Path) -> None:
    loaded = load_bundle(bundle)

    assert (loaded.manifest.name, loaded.manifest.version) == ("small", "1")
    assert loaded.manifest.classes == ("red", "green", "blue", "grey", "other")
    assert loaded.classify == bundle / "classify.onnx"
    assert loaded.gradient == bundle / "gradient.onnx"
    assert loaded.features == bundle / "features.onnx"


def test_the_digest_of_a_bundle_is_that_of_its_manifest(bundle: Path) -> None:
    """Anybody can compute it with sha256sum, without our code."""
    expected = hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()

    assert load_bundle(bundle).sha256 == expected


@pytest.mark.parametrize("name", ["classify.onnx", "gradient.onnx", "features.onnx", "weights.bin"])
def test_one_changed_byte_in_any_file_is_refused(bundle: Path, name: str) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)

    with pytest.raises(DigestError, match=name):
        load_bundle(bundle)


def test_files_that_the_manifest_does_not_list_are_never_read(bundle: Path) -> None:
    """Whatever else lies there, a pickle say, stays what it is: a file nobody opens."""
    before = load_bundle(bundle).sha256
    (bundle / "model.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    (bundle / "card.md").unlink()

    assert load_bundle(bundle).sha256 == before


@pytest.mark.parametrize("place", ["other/1", "small/2", "small"])
def test_a_copy_under_another_name_is_refused(bundle: Path, tmp_path: Path, place: str) -> None:
    """It would be served as the original: two models of one name, and nobody knows which answers."""
    copy = tmp_path / "copies" / place
    shutil.copytree(bundle, copy)

    with pytest.raises(ManifestError, match="holds small/1; move it"):
        load_bundle(copy)


def test_a_relative_path_is_as_good_as_any(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundle)

    assert load_bundle(Path()).manifest.name == "small"


def test_the_whole_way_from_a_bad_manifest_to_its_error(rewrite: Callable[..., Path]) -> None:
    with pytest.raises(ManifestError, match="format_version 3"):
        load_bundle(rewrite(format_version=3))


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"manifest\.json cannot be read"):
        load_bundle(tmp_path)


def test_bundles_are_found_two_levels_down(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a/1", ".building-x/a/1", "c/.hidden", "deep/er/1"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "manifest.json").write_text("{}")
    (tmp_path / "a" / "2").mkdir()
    (tmp_path / "README.md").write_text("")

    found = [str(path.relative_to(tmp_path)) for path in find_bundles(tmp_path)]

    assert found == ["a/1", "b/1", "b/2"]


def test_a_missing_folder_of_models_is_an_error(tmp_path: Path) -> None:
    """A mistyped path must not look like a service without models."""
    with pytest.raises(ManifestError, match="there is no folder"):
        find_bundles(tmp_path / "models")
