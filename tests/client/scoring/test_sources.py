import errno
import io
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from saliserve_client import errors
from saliserve_client.scoring.sources import Source


def names(given: object) -> list[str]:
    return [item.image for item in Source(str(given)).items()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a/c.PNG", "a/notes.txt", "a/.hidden.jpg", "z.tiff"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "photos"


def test_a_folder_is_searched_for_pictures_and_named_from_within(folder: Path) -> None:
    """Names from within let a folder move between two starts of a run."""
    assert names(folder) == ["b.jpg", "z.tiff", "a/c.PNG"]


def test_a_loop_of_links_ends(folder: Path) -> None:
    (folder / "a" / "loop").symlink_to(folder)

    assert names(folder) == ["b.jpg", "z.tiff", "a/c.PNG"]


def test_a_pattern_takes_what_matches(folder: Path) -> None:
    assert names(folder / "**" / "*.[jP]*") == sorted([str(folder / "a/c.PNG"), str(folder / "b.jpg")])


def test_a_list_is_relative_to_itself_and_may_hold_comments(folder: Path) -> None:
    listed = folder / "list.txt"
    listed.write_text("# cats\nb.jpg\n\n  a/c.PNG  \nb.jpg\n/elsewhere/d.jpg\n")

    assert names(listed) == ["b.jpg", "a/c.PNG", "/elsewhere/d.jpg"]
    assert [item.path for item in Source(str(listed)).items()] == [
        folder / "b.jpg",
        folder / "a/c.PNG",
        Path("/elsewhere/d.jpg"),
    ]


def test_a_list_from_windows_begins_with_its_first_name(folder: Path) -> None:
    """Notepad puts a byte order mark before it."""
    (folder / "list.txt").write_bytes("\ufeffb.jpg\r\nz.tiff\r\n".encode())

    assert names(folder / "list.txt") == ["b.jpg", "z.tiff"]


def test_standard_input_that_is_no_text_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9.jpg\n"), encoding="utf-8"))

    with pytest.raises(errors.FileError, match="standard input"):
        names("-")


def test_standard_input_can_be_asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The images are counted before they are scored."""
    monkeypatch.setattr("sys.stdin", io.StringIO("b.jpg\na.jpg\n"))
    source = Source("-")

    assert [item.image for item in source.items()] == ["b.jpg", "a.jpg"]
    assert [item.image for item in source.items()] == ["b.jpg", "a.jpg"]


def test_a_parquet_file_gives_its_column_image(folder: Path) -> None:
    path = folder / "list.parquet"
    pq.write_table(pa.table({"image": ["b.jpg", "z.tiff"], "split": ["train", "test"]}), path)

    assert names(path) == ["b.jpg", "z.tiff"]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (["b.jpg", None], "null in row 1"),
        ([1, 2], "type int in row 0"),
        ([b"b.jpg"], "type bytes in row 0"),
        ([{"bytes": b"x", "path": "b.jpg"}], "type dict in row 0"),
    ],
)
def test_a_parquet_column_of_something_else_says_so(folder: Path, column: list[object], said: str) -> None:
    """A missing path was taken for a file called None, and pictures themselves, as some data sets hold them, for a name."""
    path = folder / "list.parquet"
    pq.write_table(pa.table({"image": column}), path)

    with pytest.raises(errors.FileError, match=f"{said} of column image; expected a path"):
        names(path)


def test_pictures_of_phones_and_browsers_are_found(tmp_path: Path) -> None:
    """Some no service takes; their rows say so, where leaving them out would say nothing."""
    for name in ("a.HEIC", "b.avif", "c.jfif", "d.heif", "e.mp4"):
        (tmp_path / name).touch()

    assert names(tmp_path) == ["a.HEIC", "b.avif", "c.jfif", "d.heif"]


def test_a_list_of_another_encoding_says_which_is_expected(folder: Path) -> None:
    (folder / "list.txt").write_bytes("b.jpg\r\n".encode("utf-16"))

    with pytest.raises(errors.FileError, match="expected a path a line, in UTF-8"):
        names(folder / "list.txt")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_only_line_ends_end_a_line(folder: Path, end: str) -> None:
    """Python takes ten characters for line ends, and names copied from a page hold some of them."""
    odd = ["next\x85line.jpg", "line\u2028separator.jpg", "form\x0cfeed.jpg"]
    (folder / "list.txt").write_bytes(end.join(odd).encode())

    assert names(folder / "list.txt") == odd


def test_a_list_with_null_bytes_says_what_is_expected(folder: Path) -> None:
    """`find -print0`: one name of all of them, and a table of one failure."""
    (folder / "list.txt").write_bytes(b"b.jpg\0z.tiff\0")

    with pytest.raises(errors.FileError, match="null bytes in it; expected a path a line"):
        names(folder / "list.txt")


def test_a_mark_before_standard_input_is_no_part_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\ufeffb.jpg\n"))

    assert names("-") == ["b.jpg"]


def test_an_empty_name_is_not_the_present_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`saliserve score "$FOLDER"` where nobody has set it."""
    monkeypatch.chdir(folder)

    with pytest.raises(errors.FileError, match="no images are named"):
        names("")


def test_empty_standard_input_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))

    with pytest.raises(errors.FileError, match="standard input: no image in it"):
        names("-")


def test_a_parquet_file_without_that_column_says_so(folder: Path) -> None:
    path = folder / "list.parquet"
    pq.write_table(pa.table({"path": ["b.jpg"]}), path)

    with pytest.raises(errors.FileError, match="no column image"):
        names(path)


@pytest.mark.parametrize("given", ["nowhere", "nowhere/*.jpg", "nowhere.txt"])
def test_what_is_not_there_says_so(tmp_path: Path, given: str) -> None:
    with pytest.raises(errors.FileError, match="nowhere"):
        names(tmp_path / given)


@pytest.mark.parametrize("name", ["long" * 100, "long" * 100 + "*"])
def test_a_name_that_no_file_can_have_says_so(name: str) -> None:
    """The same way as one below a folder that may not be looked into."""
    with pytest.raises(errors.FileError, match=r"File name too long|no image in it"):
        names(name)


def test_a_folder_that_may_not_be_looked_into_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", refuse)

    with pytest.raises(errors.FileError, match=r"photos: cannot be read: Permission denied"):
        names(folder)


def test_a_file_of_no_known_kind_says_what_would_be(folder: Path) -> None:
    (folder / "a.zip").write_bytes(b"PK")

    with pytest.raises(errors.FileError, match="neither a folder nor a list"):
        names(folder / "a.zip")


def test_a_folder_without_pictures_says_so(tmp_path: Path) -> None:
    """A run over nothing that reports success hides a wrong path."""
    with pytest.raises(errors.FileError, match=r"no image in it; searched for .*\.png"):
        names(tmp_path)


def test_what_is_no_file_is_not_waited_for(folder: Path) -> None:
    """A pipe among the images held a run up for ever, and Ctrl-C did not end it."""
    os.mkfifo(folder / "a.jpg")

    first = next(item for item in Source(str(folder)).items() if item.image == "a.jpg")

    with pytest.raises(errors.FileError, match="a pipe, a socket or a device"):
        first.read()
