"""Every failure is one clear line and an exit code of its own."""

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from saliserve_client import errors
from saliserve_client.cli import main
from saliserve_client.cli.exits import MEANINGS, OUTPUT, exit_code
from saliserve_client.scoring.rows import Content, failed

from tests.server import LONGEST_S

NOWHERE = "http://127.0.0.1:9"
"""Port 9 (discard) is not served on machines that run tests."""


@pytest.fixture
def another_service() -> Iterator[str]:
    """A web server that is none of ours."""

    class Quiet(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = b"<html><h1>It works!</h1></html>"
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "cat.jpg"
    path.write_bytes(b"x")
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """What a run over one image that could not be read leaves."""
    path = tmp_path / "table.jsonl"
    row = failed(Content("cat.jpg"), errors.FileError("gone"), attempts=0)
    path.write_text(json.dumps(row) + "\n")
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_missing_file_is_3(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, said = run(capsys, "explain", "/nowhere/cat.jpg", "--url", NOWHERE)

    assert (code, out, said) == (3, "", "saliserve: /nowhere/cat.jpg: no such file\n")


def test_a_folder_for_a_file_is_3_and_names_score(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, said = run(capsys, "explain", tmp_path, "--url", NOWHERE)

    assert code == 3
    assert f"saliserve score {tmp_path}" in said


def test_nobody_there_is_4(capsys: pytest.CaptureFixture[str], picture: Path) -> None:
    code, _, said = run(capsys, "predict", picture, "--url", NOWHERE, "--retries", 0)

    assert code == 4
    assert said.count("\n") == 1
    assert NOWHERE in said


def test_no_address_is_4(capsys: pytest.CaptureFixture[str], picture: Path) -> None:
    assert run(capsys, "predict", picture, "--url", "localhost")[0] == 4


@pytest.mark.parametrize("command", ["predict", "explain", "models", "doctor"])
def test_another_service_is_7_and_shown(
    capsys: pytest.CaptureFixture[str], picture: Path, another_service: str, command: str
) -> None:
    image = [picture] if command in {"predict", "explain"} else []
    code, _, said = run(capsys, command, *image, "--url", another_service)

    assert code == 7
    assert said.count("\n") == 1
    assert "It works!" in said


def test_with_json_a_failure_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    """A script reads standard output and nothing else."""
    code, out, _ = run(capsys, "explain", "/nowhere/cat.jpg", "--json")

    told = json.loads(out)["error"]
    assert (told["code"], told["exit_code"]) == ("unreadable_file", code)


def test_an_option_that_does_not_exist_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["explain", "cat.jpg", "--metod", "grad_cam"])

    assert exited.value.code == 2
    assert "--metod" in capsys.readouterr().err


def test_scoring_nothing_is_3(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, said = run(capsys, "score", tmp_path / "none", "--out", tmp_path / "o.jsonl", "--url", NOWHERE)

    assert code == 3
    assert "no such folder" in said


def test_a_table_nobody_wrote_is_3(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"image": "a"}\n')

    for table in (tmp_path, tmp_path / "none.jsonl", tmp_path / "t.jsonl"):
        code, _, said = run(capsys, "report", table)
        assert (code, said.count("\n")) == (3, 1)


def test_a_folder_that_cannot_be_made_is_8(capsys: pytest.CaptureFixture[str], picture: Path) -> None:
    """The table's folder is a file."""
    code, _, said = run(capsys, "score", picture, "--out", picture / "sub" / "o.jsonl", "--url", NOWHERE)

    assert code == 8
    assert said.count("\n") == 1


def test_every_error_has_an_exit_code_that_is_documented() -> None:
    for kind in errors.BY_CODE.values():
        assert exit_code(kind("x")) in MEANINGS


def test_the_readme_lists_the_exit_codes_as_they_are() -> None:
    readme = Path(__file__).parents[3].joinpath("client", "README.md").read_text("utf-8")

    for code, meaning in MEANINGS.items():
        assert f"| {code} | {meaning} |" in readme


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--concurrency", "many", "'many' is no whole number"),
        ("--concurrency", "0", "0 is less than 1"),
        ("--timeout", "-1", "'-1' is no number of seconds above 0"),
        ("--patience", "nan", "'nan' is no number of seconds above 0"),
        ("--timeout", "1e30", "'1e30' is no number of seconds above 0 and up to 1000000"),
        ("--retries", "-1", "'-1' is no whole number of at least 0"),
    ],
)
def test_a_number_that_makes_no_sense_is_2(
    capsys: pytest.CaptureFixture[str], option: str, value: str, said: str
) -> None:
    """A patience that is no number would never end, and a limit below 0 fail in the HTTP library."""
    with pytest.raises(SystemExit) as exited:
        main(["score", "photos", "--out", "o.jsonl", f"{option}={value}"])

    assert exited.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("below", [".", "overlays", "deep/overlays"])
def test_overlays_among_the_images_are_2(
    capsys: pytest.CaptureFixture[str], picture: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    """`saliserve score . --overlays overlays`: the next start found the overlays, and made overlays of them."""
    monkeypatch.chdir(picture.parent)

    code, _, said = run(capsys, "score", ".", "--out", "o.jsonl", "--overlays", below, "--url", NOWHERE)

    assert code == 2
    assert "lies in ." in said
    assert list(picture.parent.iterdir()) == [picture]


def test_a_result_for_which_there_is_no_space_is_8(table: Path) -> None:
    """`saliserve report table.jsonl > /full/disk`."""
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "saliserve_client", "report", str(table)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert done.returncode == OUTPUT
    assert done.stderr == "saliserve: standard output: cannot be written: No space left on device\n"


def test_a_failure_that_nobody_hears_keeps_its_exit_code() -> None:
    """`saliserve score ... 2>&1 | head`: 0 would say that all is done."""
    command = [sys.executable, "-m", "saliserve_client", "explain", "/nowhere", "--json"]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        code = subprocess.run(command, stdout=closed, stderr=closed, check=False).returncode

    assert code == 3


def test_a_reader_that_has_enough_is_no_failure() -> None:
    """`saliserve --help | head -1` and the like."""
    command = [sys.executable, "-m", "saliserve_client", "explain", "/nowhere", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, said = process.communicate(timeout=LONGEST_S)

    assert b"Traceback" not in said


def test_a_name_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Names of a folder that somebody sent: a failure stays one line, in the colours that it had."""
    code, _, said = run(capsys, "explain", "/nowhere/\x1b[31mred\x07\n.jpg")

    assert (code, said) == (3, "saliserve: /nowhere/\\x1b[31mred\\x07 .jpg: no such file\n")


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict", "cp1252:strict"])
def test_names_that_standard_output_has_no_letters_for_are_escaped(table: Path, encoding: str) -> None:
    """A name that is no UTF-8 anywhere, any other than English ones in a log of an old system."""
    odd = table.with_name(os.fsdecode(b"caf\xe9-\xe7\x8c\xab.jsonl"))
    table.rename(odd)
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "saliserve_client", "report", str(odd)]

    plain = subprocess.run(command, capture_output=True, env=environment, check=False)
    as_json = subprocess.run([*command, "--json"], capture_output=True, env=environment, check=False)

    assert (plain.returncode, plain.stderr) == (0, b"")
    assert (as_json.returncode, as_json.stderr) == (0, b"")
    assert b"caf\\xe9-" in plain.stdout
    assert json.loads(as_json.stdout)["page"] == f"{odd}.html"


def test_an_output_that_cannot_be_is_8_before_anything_is_asked(
    capsys: pytest.CaptureFixture[str], picture: Path
) -> None:
    """An explanation of minutes was thrown away for it; nobody listens where this one would be asked for."""
    code, _, said = run(capsys, "explain", picture, "--out", picture, "--url", NOWHERE)

    assert (code, said) == (8, f"saliserve: {picture}: cannot be written: File exists\n")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["--maps", "maps"], "--maps"),
        (["--overlays", "overlays", "--method", "rise"], "--method, --overlays"),
        (["--parameter", "masks=100", "--receipt", "full"], "--parameter, --receipt"),
    ],
)
def test_what_a_prediction_alone_has_no_use_for_is_2(
    capsys: pytest.CaptureFixture[str], picture: Path, given: list[str], named: str
) -> None:
    """`--predict-only --overlays o` ended well, and no overlay was there."""
    out = picture.with_name("o.jsonl")

    code, _, said = run(capsys, "score", picture, "--out", out, "--predict-only", "--url", NOWHERE, *given)

    assert code == 2
    assert f"{named} would do nothing" in said


@pytest.mark.parametrize("content", ['{"shapes": []}', "[1]", "no JSON"])
def test_a_file_of_somebodys_own_is_not_written_over(
    capsys: pytest.CaptureFixture[str], picture: Path, content: str
) -> None:
    """`saliserve explain photo.jpg --out .`, where photo.json holds what somebody drew by hand."""
    own = picture.with_suffix(".json")
    own.write_text(content)

    code, _, said = run(capsys, "explain", picture, "--out", picture.parent, "--url", NOWHERE, "--retries", 0)

    assert code == 8
    assert said == f"saliserve: {own}: exists, and is no answer that explain wrote; choose another --out\n"
    assert own.read_text() == content
