"""Images at addresses, in fsspec's own memory and on this machine; a bucket differs in who answers only."""

import io
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from saliserve_client import errors
from saliserve_client.scoring.job import Job
from saliserve_client.scoring.sources import Source

from tests.client.scoring.stand_in import Service, rows, score

FILES = ("b.jpg", "a/c.PNG", "a/notes.txt", "a/.hidden.jpg", "z.tiff")


@pytest.fixture
def bucket() -> Iterator[str]:
    """A place with three pictures, gone afterwards."""
    memory = fsspec.filesystem("memory")
    for name in FILES:
        memory.pipe(f"/bucket/{name}", name.encode())
    yield "memory://bucket"
    memory.rm("/bucket", recursive=True)


def names(given: str) -> list[str]:
    return [item.image for item in Source(given).items()]


@pytest.mark.parametrize("end", ["", "/"])
def test_a_folder_is_searched_as_one_on_this_machine_is(bucket: str, end: str) -> None:
    """The same pictures by the same names."""
    assert names(bucket + end) == ["a/c.PNG", "b.jpg", "z.tiff"]


def test_a_folder_of_this_machine_has_an_address_too(tmp_path: Path) -> None:
    (tmp_path / "with blank").mkdir()
    (tmp_path / "with blank" / "b.jpg").write_bytes(b"x")

    (item,) = Source(f"file://{tmp_path}").items()

    assert item.image == "with blank/b.jpg"
    assert item.read().data == b"x"


def test_a_pattern_takes_what_matches(bucket: str) -> None:
    assert names(f"{bucket}/**/*.[jP]*") == ["memory:///bucket/a/c.PNG", "memory:///bucket/b.jpg"]


def test_a_list_is_relative_to_itself_and_may_name_other_addresses(bucket: str) -> None:
    fsspec.filesystem("memory").pipe("/bucket/list.txt", b"# cats\nb.jpg\nmemory://other/d.jpg\n")

    assert [item.path for item in Source(f"{bucket}/list.txt").items()] == [
        "memory://bucket/b.jpg",
        "memory://other/d.jpg",
    ]


def test_a_list_on_this_machine_may_name_addresses(bucket: str, tmp_path: Path) -> None:
    """As somebody exports them from a catalogue."""
    (tmp_path / "list.txt").write_text(f"{bucket}/b.jpg\nhere.jpg\n")

    remote, here = Source(str(tmp_path / "list.txt")).items()

    assert remote.read().data == b"b.jpg"
    assert here.path == tmp_path / "here.jpg"


def test_a_parquet_file_gives_its_column_image(bucket: str) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"image": ["b.jpg"]}), file)
    fsspec.filesystem("memory").pipe("/bucket/list.parquet", file.getvalue())

    (item,) = Source(f"{bucket}/list.parquet").items()

    assert item.read().data == b"b.jpg"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("memory://nowhere", "no such folder, list or pattern"),
        ("memory://nowhere/*.jpg", "no image in it"),
        ("nosuchthing://bucket", "nosuchthing"),
        ("memory://bucket/a/notes.zip", "no such folder"),
    ],
)
@pytest.mark.usefixtures("bucket")
def test_what_is_not_there_says_so(given: str, said: str) -> None:
    with pytest.raises(errors.FileError, match=said):
        names(given)


def test_a_kind_of_address_whose_package_is_missing_names_it() -> None:
    """Every store has its own; fsspec knows which."""
    with pytest.raises(errors.MissingPackageError, match="s3fs"):
        names("s3://bucket/folder")


class StoreError(Exception):
    """As the libraries behind fsspec have them: an expired token is no OSError."""


@pytest.mark.parametrize("call", ["_open", "find", "glob", "isdir", "cat_file", "_strip_protocol"])
def test_errors_of_a_stores_own_name_the_address(
    bucket: str, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StoreError("the token has expired")

    fsspec.filesystem("memory").pipe("/bucket/list.txt", b"b.jpg\n")
    given = {"glob": f"{bucket}/*.jpg", "cat_file": f"{bucket}/list.txt"}.get(call, bucket)
    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), call, refuse)

    with pytest.raises(errors.FileError, match=r"memory:.*: cannot be read: the token has expired"):
        [item.read() for item in Source(given).items()]


def test_a_plain_run_reads_addresses_too(bucket: str, tmp_path: Path) -> None:
    """One that vanished meanwhile gets a row with its error, as a file would."""
    fsspec.filesystem("memory").pipe("/bucket/list.txt", b"b.jpg\ngone.jpg\n")
    out = tmp_path / "out.jsonl"

    score(Job(Source(f"{bucket}/list.txt"), out, explain=False), Service())

    found = {row["image"]: row for row in rows(out)}
    assert found["b.jpg"]["status"] == "scored"
    assert found["gone.jpg"]["error_detail"] == "memory://bucket/gone.jpg: no such file"
