"""A file of a bundle is what the manifest says, or the bundle is refused."""

import hashlib
from pathlib import Path

import pytest

from service.bundle.digest import check_digests, describe, sha256_of
from service.bundle.manifest import FileEntry
from service.errors import DigestError

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"abc")
    return folder


def check(folder: Path, content: bytes = b"abc") -> None:
    entry = FileEntry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    check_digests(folder, {"weights.bin": entry})


def test_the_digest_is_the_published_one(folder: Path) -> None:
    """FIPS 180-2, appendix B.1: the SHA-256 of the three letters abc."""
    assert sha256_of(folder / "weights.bin") == ABC
    assert describe(folder / "weights.bin") == FileEntry(bytes=3, sha256=ABC)


def test_the_right_file_is_accepted(folder: Path) -> None:
    check(folder)


def test_one_changed_byte_is_found(folder: Path) -> None:
    """Same size, so only the digest can tell. The message names the file, what was found and what expected."""
    (folder / "weights.bin").write_bytes(b"abd")

    with pytest.raises(
        DigestError, match=rf"weights\.bin has SHA-256 a52d159f.*; the manifest says {ABC}"
    ) as caught:
        check(folder)

    assert caught.value.where == "weights.bin"


def test_a_file_cut_short_is_found_by_its_size(folder: Path) -> None:
    """Before it is hashed: an interrupted copy of gigabytes should not take seconds to notice."""
    (folder / "weights.bin").write_bytes(b"ab")

    with pytest.raises(DigestError, match="has 2 bytes; the manifest says 3"):
        check(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "weights.bin").unlink()

    with pytest.raises(DigestError, match=r"weights\.bin is missing"):
        check(folder)


def test_a_folder_in_place_of_a_file_is_a_missing_file(folder: Path) -> None:
    (folder / "weights.bin").unlink()
    (folder / "weights.bin").mkdir()

    with pytest.raises(DigestError, match=r"weights\.bin is missing"):
        check(folder)


def test_a_link_that_leaves_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    """Even with the right content: what lies behind it can change without the bundle changing."""
    outside = tmp_path / "outside.bin"
    outside.write_bytes(b"abc")
    (folder / "weights.bin").unlink()
    (folder / "weights.bin").symlink_to(outside)

    with pytest.raises(DigestError, match="outside the bundle"):
        check(folder)


def test_a_link_within_the_folder_is_accepted(folder: Path) -> None:
    """Kubernetes mounts every file of a volume as such a link."""
    (folder / "..data").mkdir()
    (folder / "weights.bin").rename(folder / "..data" / "weights.bin")
    (folder / "weights.bin").symlink_to(Path("..data") / "weights.bin")

    check(folder)
