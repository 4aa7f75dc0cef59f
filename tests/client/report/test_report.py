import errno
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from saliserve_client.cli import main
from saliserve_client.png import gradient
from saliserve_client.report.summary import summarise
from saliserve_client.scoring import parquet
from saliserve_client.scoring.rows import COLUMNS


def row(image: str, **values: Any) -> dict[str, Any]:
    scored = {
        "image": image,
        "status": "scored",
        "model_name": "toy",
        "model_version": "1",
        "model_sha256": "5" * 64,
        "label": "tabby",
        "probability": 0.5,
        "verdict": "faithful",
        "reason": "why",
        "srg": 0.2,
        "z_score": 3.0,
        "warnings": [],
    }
    return {**dict.fromkeys(column.name for column in COLUMNS), **scored, **values}


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), "utf-8")
    return path


class Reader(HTMLParser):
    """Collects tags and checks that they close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "rect", "line"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"rect", "line"}:
            assert self.open.pop() == tag


def test_the_least_faithful_come_first() -> None:
    """z from -3 to 6 in a shuffled order; the three lowest, lowest first."""
    zs = [4, -3, 6, 0, 5, -1, 2, 1, 3, -2]

    summary = summarise((row(f"{z}", z_score=float(z)) for z in zs), worst=3)

    assert [one["image"] for one in summary.least_faithful] == ["-3", "-2", "-1"]


def test_confident_predictions_without_a_faithful_map_come_most_confident_first() -> None:
    rows = [row(f"{p}", probability=p / 10, verdict="faithful" if p % 2 else "mixed") for p in range(10)]

    summary = summarise(rows, worst=2)

    assert [one["image"] for one in summary.confident_unexplained] == ["8", "6"]


def test_failures_are_counted_and_never_averaged() -> None:
    failed = row(
        "bad",
        status="failed",
        error_code="empty_image",
        label=None,
        probability=None,
        srg=None,
        z_score=None,
        verdict=None,
    )

    summary = summarise([row("good"), failed], worst=5)

    assert (summary.images, summary.failed, dict(summary.failures)) == (2, 1, {"empty_image": 1})
    assert summary.classes["tabby"].images == 1
    assert sum(summary.z.counts) == 1


def test_a_map_that_cannot_be_scored_is_shown_but_not_ranked() -> None:
    summary = summarise([row("a", verdict="cannot be scored", srg=None, z_score=None)], worst=5)

    assert summary.least_faithful == []
    assert [one["image"] for one in summary.confident_unexplained] == ["a"]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_the_page_is_whole_and_loads_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    """One file to send to somebody; scripts or foreign resources would not survive that."""
    (tmp_path / "overlays").mkdir()
    (tmp_path / "overlays" / "a.png").write_bytes(gradient(8, 8))
    rows = [row("a.jpg", overlay="a.png", verdict="mixed"), row("gone.jpg")]
    table = tmp_path / f"out{suffix}"
    if suffix == ".jsonl":
        write(table, *rows)
    else:
        parquet.write(table, rows)

    assert main(["report", str(table), "--overlays", str(tmp_path / "overlays"), "--json"]) == 0

    page = Path(json.loads(capsys.readouterr().out)["page"])
    reader = Reader()
    reader.feed(page.read_text("utf-8"))
    assert reader.open == []
    pictures = [attributes["src"] for tag, attributes in reader.tags if tag == "img"]
    assert len(pictures) == 2  # a.jpg is on both sheets
    assert all(source is not None and source.startswith("data:image/png;base64,") for source in pictures)
    assert not {tag for tag, _ in reader.tags} & {"script", "link", "iframe"}
    assert "picture not found" in page.read_text("utf-8")


def test_names_and_labels_stay_text(tmp_path: Path) -> None:
    """File names of a folder that somebody sent are not to be trusted."""
    bad = '"><script>alert(1)</script>'
    table = write(tmp_path / "out.jsonl", row(bad, label=bad, verdict="mixed", reason=bad))

    assert main(["report", str(table)]) == 0

    page = (tmp_path / "out.jsonl.html").read_text("utf-8")
    assert "<script" not in page
    assert len(re.findall("&lt;script&gt;", page)) >= 4


OLDER = (
    "method",
    "receipt",
    "srg",
    "z_score",
    "p_value",
    "gain",
    "overlay",
    "duplicate_of",
    "warnings",
    "seed",
)


@pytest.mark.parametrize(
    "left_out", [OLDER, ("verdict", "reason"), ("error_code", "error_detail"), ("method",)]
)
def test_a_table_with_fewer_columns_has_a_report_of_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], left_out: tuple[str, ...]
) -> None:
    """An older version's, or one that was cut to the columns that somebody wanted."""
    made = [row("a.jpg", receipt="{}"), row("b.jpg", status="failed", error_code="empty_image")]
    cut = [{name: value for name, value in one.items() if name not in left_out} for one in made]

    assert main(["report", str(write(tmp_path / "out.jsonl", *cut)), "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert (told["images"], told["failed"]) == (2, 1)
    assert told["verdicts"] == ({} if "verdict" in left_out else {"faithful": 1})


def test_a_picture_in_a_folder_whose_name_is_no_utf8_is_linked(tmp_path: Path) -> None:
    """Too large to be put into the page, or no PNG and no JPEG."""
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    odd.mkdir()
    (odd / "a.gif").write_bytes(b"GIF89a")
    table = write(tmp_path / "out.jsonl", row("a.gif", verdict="mixed"))

    assert main(["report", str(table), "--images", str(odd)]) == 0

    assert 'src="caf%E9/a.gif"' in (tmp_path / "out.jsonl.html").read_text("utf-8")


def test_a_run_that_is_not_complete_names_its_rows_so_far(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The Parquet table is written at the end."""
    journal = write(tmp_path / "out.parquet.journal.jsonl", row("a.jpg"))

    assert main(["report", str(tmp_path / "out.parquet")]) == 3

    assert f"not complete; {journal} holds its rows so far" in capsys.readouterr().err


def test_a_broken_manifest_costs_only_the_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write(tmp_path / "out.jsonl", row("a.jpg"))
    table.with_name("out.jsonl.manifest.json").write_text("{")

    assert main(["report", str(table)]) == 0

    assert "out.jsonl.manifest.json: cannot be read; pictures are looked for by" in capsys.readouterr().err


def test_a_table_of_predictions_alone_has_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `score --predict-only` writes it: every column is there, and nothing of a receipt in it."""
    alone = row("a.jpg", verdict=None, reason=None, srg=None, z_score=None)
    table = write(tmp_path / "out.jsonl", alone)

    assert main(["report", str(table)]) == 0
    assert "No receipts in this table" in (tmp_path / "out.jsonl.html").read_text("utf-8")

    assert main(["compare", str(table)]) == 3
    assert "score them with --receipt fast or full" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["status", "label", "probability", "model_name"])
def test_a_table_without_what_every_answer_has_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    made = {name: value for name, value in row("a.jpg").items() if name != missing}

    assert main(["report", str(write(tmp_path / "out.jsonl", made))]) == 3

    said = capsys.readouterr().err
    assert f"nothing in {missing} of the row of a.jpg; expected a table that `saliserve score` wrote" in said


@pytest.mark.parametrize("command", ["report", "compare"])
@pytest.mark.parametrize("name", ["out.jsonl", f"{'long' * 100}.jsonl", "out.parquet"])
def test_a_table_that_cannot_be_read_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    name: str,
) -> None:
    """Not permitted, of a name that no file can have, or with bytes changed in the middle."""
    table = tmp_path / name
    if name == "out.jsonl":
        write(table, row("a.jpg"))
        monkeypatch.setattr(Path, "open", refuse)
    elif name == "out.parquet":
        parquet.write(table, [row(f"{number}.jpg") for number in range(100)])
        whole = table.read_bytes()
        table.write_bytes(whole[:4] + bytes(200) + whole[204:])

    assert main([command, str(table)]) == 3

    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{name}: cannot be read: " in said or f"{name}: broken, or cut short: " in said


def refuse(*_: object) -> None:
    raise PermissionError(errno.EACCES, "Permission denied")


def test_a_picture_that_cannot_be_read_is_not_found(tmp_path: Path) -> None:
    """Not permitted, or as here of a name that no file can have."""
    table = write(tmp_path / "out.jsonl", row("long" * 100, verdict="mixed"))

    assert main(["report", str(table), "--images", str(tmp_path)]) == 0

    assert "picture not found" in (tmp_path / "out.jsonl.html").read_text("utf-8")


def test_a_page_takes_no_tables_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`saliserve report out.jsonl --out out.jsonl` left HTML where hours of scoring had been."""
    table = write(tmp_path / "out.jsonl", row("a.jpg"))
    before = table.read_bytes()

    assert main(["report", str(table), "--out", str(table)]) == 2

    assert "let its name end in .html" in capsys.readouterr().err
    assert table.read_bytes() == before
