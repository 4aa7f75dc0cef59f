import errno
import io
import os
from pathlib import Path

import pytest
from saliserve_client import errors, images
from saliserve_client.images import read_image


def test_path_bytes_and_open_file_give_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "cat.jpg"
    path.write_bytes(b"jpeg")

    with path.open("rb") as file:
        assert [read_image(one).data for one in (path, str(path), file, b"jpeg", bytearray(b"jpeg"))] == [
            b"jpeg"
        ] * 5


def test_a_folder_names_the_command_for_folders(tmp_path: Path) -> None:
    with pytest.raises(errors.FileError, match="saliserve score"):
        read_image(tmp_path)


def test_a_file_that_may_not_be_read_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raised by hand, because the administrator, who runs tests in containers, may read everything."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)

    with pytest.raises(errors.FileError, match=r"secret\.jpg: cannot be read: Permission denied"):
        read_image("secret.jpg")


def test_a_file_opened_as_text_says_how_to_open_it() -> None:
    with pytest.raises(errors.FileError, match="mode 'rb'"):
        read_image(io.StringIO("jpeg"))  # type: ignore[arg-type]


def test_a_path_with_a_null_byte_is_a_file_error() -> None:
    """Python raises ValueError for it, which is not in the tree."""
    with pytest.raises(errors.FileError, match="not a path"):
        read_image("cat\0.jpg")


def test_a_huge_file_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 10)
    path = tmp_path / "disk.img"
    path.write_bytes(b"x" * 11)

    with pytest.raises(errors.ImageTooLargeError):
        read_image(path)


def test_a_name_that_is_no_utf8_can_be_sent(tmp_path: Path) -> None:
    """It stands in a header of the request; archives of other systems hold such names."""
    path = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    path.write_bytes(b"x")

    assert read_image(path).name == f"{tmp_path}/caf\\xe9.jpg"
    with path.open("rb") as file:
        assert read_image(file).name == f"{tmp_path}/caf\\xe9.jpg"
