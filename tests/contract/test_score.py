"""Batch scoring by the real command against the real service, with both of them killed."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest
from saliserve_client.cli.exits import INTERRUPTED, OK, OUTPUT, RUN, SOME_FAILED
from saliserve_client.scoring.rows import comparable

from tests.contract.turnstile import Turnstile
from tests.server import LONGEST_S, ROOT, Server, until

IMAGES = int(os.environ.get("SCORED_IMAGES", "300"))
"""`SCORED_IMAGES=2000` for the whole size, which takes minutes."""

OPTIONS = ["--method", "gradient", "--receipt", "none", "--quiet", "--concurrency", "4"]


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"), models=models, threads=1)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pieces of photographs, one of them broken."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    whole = [PIL.Image.open(path).convert("RGB") for path in sorted((ROOT / "samples").glob("*.jpg"))]
    for number in range(IMAGES - 1):
        photo = whole[number % len(whole)]
        left, top = (int(random.integers(side - 40)) for side in photo.size)
        photo.crop((left, top, left + 40, top + 40)).save(folder / f"{number:04}.png")
    (folder / "broken.png").write_bytes(b"these are words, not pixels")
    return folder


def command(server: Server | Turnstile, photos: Path, out: Path, *more: str) -> list[str]:
    score = [sys.executable, "-m", "saliserve_client", "score", str(photos), "--out", str(out)]
    return [*score, "--url", server.url, *OPTIONS, *more]


def score(server: Server, photos: Path, out: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(server, photos, out, *more), capture_output=True, check=False, text=True, timeout=IMAGES
    )


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def until_lines(path: Path, count: int) -> None:
    until(lambda: lines(path) >= count, f"line {count} of {path.name}")


@pytest.fixture(scope="module")
def undisturbed(server: Server, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out.jsonl"
    finished = score(server, photos, out, "--maps", str(out.parent / "maps"))
    assert finished.returncode == SOME_FAILED, finished.stderr
    return out


def test_every_image_has_a_row_and_the_broken_one_its_error(undisturbed: Path) -> None:
    found = rows(undisturbed)

    assert len({row["image"] for row in found}) == len(found) == IMAGES
    assert {row["image"]: row["error_code"] for row in found if row["status"] == "failed"} == {
        "broken.png": "unsupported_image_format"
    }
    assert {row["model_name"] for row in found if row["status"] == "scored"} == {"colours"}


def test_kills_of_client_and_service_leave_the_same_table(
    server: Server, photos: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """kill -9 five times at the client and twice at the service, each at a moment drawn by lot while rows are written.

    No start is given all images, so that none is done with them before this process looks again; those with which
    the service dies are given most.
    """
    out, maps = tmp_path / "out.jsonl", tmp_path / "maps"
    random = np.random.default_rng(1)
    names = sorted(path.name for path in photos.glob("*.png"))

    def until_written(client: "subprocess.Popen[bytes]", more: int) -> None:
        wanted = lines(out) + more
        until(lambda: client.poll() is not None or lines(out) >= wanted, f"line {wanted} of {out.name}")

    for kill, fifteenths in enumerate((2, 7, 8, 13, 14)):
        listed = photos / f"{kill}.txt"  # no picture, and so nothing to who scores the folder
        listed.write_text("\n".join(names[: fifteenths * IMAGES // 15]))
        with subprocess.Popen(
            command(server, listed, out, "--maps", str(maps)), stderr=subprocess.DEVNULL
        ) as client:
            until_written(client, int(random.integers(IMAGES // 30, IMAGES // 10)))
            if kill in {1, 3}:
                server.kill()
                server.start()
                until_written(client, 5)
            client.kill()
        assert lines(out) < IMAGES

    finished = score(server, photos, out, "--maps", str(maps))

    assert finished.returncode == SOME_FAILED, finished.stderr
    found = rows(out)
    assert len({row["image"] for row in found}) == len(found) == IMAGES
    assert comparable(iter(found)) == comparable(iter(rows(undisturbed)))
    assert max(row["attempts"] for row in found) > 1  # some were under way when the service died
    assert json.loads((tmp_path / "out.jsonl.manifest.json").read_text())["starts"] == 6
    for row in found:
        if row["map"]:
            assert (maps / row["map"]).read_bytes() == (undisturbed.parent / "maps" / row["map"]).read_bytes()
    assert not list(maps.rglob("*.part"))


def test_a_second_run_has_nothing_to_do(server: Server, photos: Path, undisturbed: Path) -> None:
    before = undisturbed.read_bytes()

    finished = score(server, photos, undisturbed, "--maps", str(undisturbed.parent / "maps"), "--json")

    assert finished.returncode == SOME_FAILED
    assert undisturbed.read_bytes() == before
    assert json.loads(finished.stdout)["starts"] >= 2


def test_other_options_on_the_same_table_are_refused(server: Server, photos: Path, undisturbed: Path) -> None:
    finished = score(server, photos, undisturbed, "--seed", "5")

    assert finished.returncode == RUN
    assert "seed=5" in finished.stderr
    assert finished.stderr.count("\n") == 1


def test_progress_counts_the_images_of_this_start(server: Server, photos: Path, tmp_path: Path) -> None:
    """Six images in the table, then a list of three, one of which it knows: it said 8/3, and that it went on after 6."""
    first, second, out = photos / "first.txt", photos / "second.txt", tmp_path / "the table.jsonl"
    first.write_text("broken.png\ngone.png\n" + "".join(f"{number:04}.png\n" for number in range(4)))
    second.write_text("0003.png\n0004.png\n0005.png\n")
    assert score(server, first, out).returncode == SOME_FAILED
    told = [part for part in command(server, second, out) if part != "--quiet"]

    finished = subprocess.run(told, capture_output=True, check=False, text=True, timeout=LONGEST_S)

    assert finished.returncode == SOME_FAILED, finished.stderr
    assert f"goes on after 1 of 3 images; it also holds 5 that are not in {second}\n" in finished.stderr
    assert " 3/3 " in finished.stderr
    assert " 0 failed " in finished.stderr
    assert f"saliserve report '{out}'" in finished.stdout
    assert lines(out) == 8


def test_parquet_holds_the_same_rows(server: Server, photos: Path, undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    finished = score(server, photos, out, "--maps", str(tmp_path / "maps"))

    assert finished.returncode == SOME_FAILED, finished.stderr
    assert comparable(iter(pq.read_table(out).to_pylist())) == comparable(iter(rows(undisturbed)))


def test_the_other_commands_work_against_a_real_server(server: Server, photos: Path, tmp_path: Path) -> None:
    """One round over real sockets; what they answer is tested elsewhere."""
    image = str(photos / "0000.png")
    for arguments in (
        ["predict", image],
        [
            "explain",
            image,
            "--out",
            str(tmp_path),
            "--parameter",
            "window=4",
            "--parameter",
            "stride=2",
            "--method",
            "occlusion",
        ],
        ["models"],
        ["models", "colours"],
        ["doctor", "--requests", "1"],
    ):
        program = [sys.executable, "-m", "saliserve_client", *arguments, "--url", server.url]
        plain = subprocess.run(program, capture_output=True, check=False, text=True, timeout=LONGEST_S)
        as_json = subprocess.run(
            [*program, "--json"], capture_output=True, check=False, text=True, timeout=LONGEST_S
        )
        assert (plain.returncode, as_json.returncode) == (OK, OK), plain.stderr + as_json.stderr
        assert "colours" in plain.stdout
        assert json.loads(as_json.stdout)
    assert {path.name for path in tmp_path.iterdir()} == {"0000.json", "0000.map.png", "0000.overlay.png"}


def test_an_interrupted_run_says_how_to_go_on(server: Server, photos: Path, tmp_path: Path) -> None:
    """Ctrl-C is how most runs are stopped."""
    out = tmp_path / "out.jsonl"
    with (
        Turnstile(server.url, pictures=20) as door,
        subprocess.Popen(command(door, photos, out), stderr=subprocess.PIPE, text=True) as client,
    ):
        until_lines(out, 20)
        client.send_signal(signal.SIGINT)
        _, said = client.communicate(timeout=LONGEST_S)

    assert client.returncode == INTERRUPTED
    assert "goes on from here" in said
    assert "Traceback" not in said
    assert lines(out) == 20
    assert json.loads((tmp_path / "out.jsonl.manifest.json").read_text())["counts"]["images"] == lines(out)


HANGING = """
import pathlib, sys, threading
from saliserve_client.cli import main
from saliserve_client.scoring.item import Item

def hang(self):
    pathlib.Path("reading").touch()
    threading.Event().wait()

Item.read = hang
sys.exit(main(sys.argv[1:]))
"""


def test_a_second_interruption_ends_a_run_that_cannot_stop(
    server: Server, photos: Path, tmp_path: Path
) -> None:
    """A read from a share that hangs cannot be given up; only `kill -9` ended the run."""
    arguments = command(server, photos, tmp_path / "out.jsonl")[3:]
    with subprocess.Popen([sys.executable, "-c", HANGING, *arguments], cwd=tmp_path) as client:
        try:
            until((tmp_path / "reading").exists, "the first read")
            client.send_signal(signal.SIGINT)
            until(lambda: signal.SIGINT not in caught(client.pid), "the first interruption")
            assert client.poll() is None
            client.send_signal(signal.SIGINT)
            assert client.wait(LONGEST_S) == -signal.SIGINT
        finally:
            client.kill()


def caught(process: int) -> set[signal.Signals]:
    """Signals that a process handles itself."""
    status = Path(f"/proc/{process}/status").read_text()
    mask = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), 16)
    return {number for number in signal.Signals if mask >> (number - 1) & 1}


def test_a_full_disk_stops_the_run_with_one_line_and_loses_nothing(
    server: Server, photos: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """A limit on the size of files stands in for the disk; the row that does not fit is cut off again."""
    out = tmp_path / "out.jsonl"

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    full = subprocess.run(
        command(server, photos, out), capture_output=True, check=False, text=True, preexec_fn=small_disk
    )
    assert full.returncode == OUTPUT
    assert full.stderr.count("\n") == 1
    assert "out.jsonl: cannot be written" in full.stderr
    assert 0 < lines(out) == len(rows(out)) < IMAGES

    assert score(server, photos, out).returncode == SOME_FAILED
    without_maps = {
        image: {name: value for name, value in row.items() if name != "map"}
        for image, row in comparable(iter(rows(undisturbed))).items()
    }
    assert {
        image: {name: value for name, value in row.items() if name != "map"}
        for image, row in comparable(iter(rows(out))).items()
    } == without_maps
