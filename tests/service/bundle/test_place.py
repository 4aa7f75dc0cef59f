"""A bundle is there whole or not at all."""

from pathlib import Path

import pytest

from service.bundle.load import find_bundles
from service.bundle.place import building
from service.errors import BundleBuildError


def everything(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_folder_appears_only_when_it_is_finished(tmp_path: Path) -> None:
    destination = tmp_path / "models" / "small" / "1"

    with building(destination, force=False) as folder:
        (folder / "manifest.json").write_text("{}")
        assert not destination.exists()
        assert find_bundles(tmp_path / "models") == ()

    assert everything(tmp_path) == {"models/small/1/manifest.json": "{}"}


def test_what_is_built_lies_in_a_folder_of_the_right_names(tmp_path: Path) -> None:
    """It is verified before it is moved, and verification checks the names."""
    with building(tmp_path / "small" / "1", force=False) as folder:
        assert (folder.parent.name, folder.name) == ("small", "1")


@pytest.mark.parametrize("force", [False, True])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, *, force: bool) -> None:
    def fail() -> None:
        with building(tmp_path / "small" / "1", force=force) as folder:
            (folder / "half").write_text("")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()

    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_bundle_as_it_was(tmp_path: Path) -> None:
    destination = tmp_path / "small" / "1"
    destination.mkdir(parents=True)
    (destination / "manifest.json").write_text("old")

    def fail() -> None:
        with building(destination, force=True) as folder:
            (folder / "manifest.json").write_text("new")
            raise BundleBuildError("on purpose")

    with pytest.raises(BundleBuildError):
        fail()

    assert everything(tmp_path) == {"small/1/manifest.json": "old"}


def test_a_bundle_is_replaced_only_if_asked_to(tmp_path: Path) -> None:
    destination = tmp_path / "small" / "1"
    destination.mkdir(parents=True)
    (destination / "manifest.json").write_text("old")
    (destination / "left-over").write_text("old")

    with pytest.raises(BundleBuildError, match="--force"), building(destination, force=False):
        pytest.fail("nothing may be built")
    with building(destination, force=True) as folder:
        (folder / "manifest.json").write_text("new")

    assert everything(tmp_path) == {"small/1/manifest.json": "new"}


def test_a_place_that_cannot_be_written_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file, not a folder")

    with (
        pytest.raises(BundleBuildError, match="cannot write to"),
        building(tmp_path / "models" / "small" / "1", force=False),
    ):
        pytest.fail("nothing may be built")


def test_a_move_that_fails_puts_the_old_bundle_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies in the scratch folder by then, which is removed whatever happens."""
    destination = tmp_path / "small" / "1"
    with building(destination, force=False) as folder:
        (folder / "manifest.json").write_text("old")
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if path.parent.parent.name.startswith(".building-") and target == destination:
            raise OSError(28, "No space left on device")
        return rename(path, target)

    def replace() -> None:
        with building(destination, force=True) as folder:
            (folder / "manifest.json").write_text("new")

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(BundleBuildError, match=r"No space left on device\. What was there is there again"):
        replace()

    assert everything(tmp_path) == {"small/1/manifest.json": "old"}


@pytest.mark.parametrize(
    ("there", "said"),
    [(True, "What is there was not touched"), (False, "Nothing was there, and nothing is")],
)
def test_a_failed_move_does_not_speak_of_what_was_never_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, there: bool, said: str
) -> None:
    """Who reads that something is there again looks for it."""
    destination = tmp_path / "small" / "1"
    if there:
        destination.mkdir(parents=True)
        (destination / "manifest.json").write_text("old")

    def failing(_path: Path, _target: Path) -> Path:
        raise OSError(30, "Read-only file system")

    def replace() -> None:
        with building(destination, force=True) as folder:
            (folder / "manifest.json").write_text("new")

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(BundleBuildError, match=rf"Read-only file system\. {said}"):
        replace()

    assert everything(tmp_path) == ({"small/1/manifest.json": "old"} if there else {})
