import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from saliserve_client import errors
from saliserve_client.scoring.journal import Durability, Journal

WRITER = """
import itertools, sys
from pathlib import Path
from saliserve_client.scoring.journal import Durability, Journal

journal = Journal(Path(sys.argv[1]), durability=Durability.NEVER)
done = {entry.row["image"] for entry in journal.entries()}
print("begin", flush=True)
for number in itertools.count():
    if str(number) not in done:
        journal.append({"image": str(number), "padding": "x" * 200})
"""


def images(journal: Journal) -> list[str]:
    return [entry.row["image"] for entry in journal.entries()]


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    with Journal(tmp_path / "out.jsonl") as journal:
        offsets = [journal.append({"image": name, "label": "größe\n"}) for name in "abc"]

        assert images(journal) == ["a", "b", "c"]
        assert [journal.at(offset)["image"] for offset in offsets] == ["a", "b", "c"]


def test_whatever_length_a_crash_leaves_only_whole_lines_are_kept(tmp_path: Path) -> None:
    """A power cut may leave any beginning of the last line, all of it but the line's end included."""
    path = tmp_path / "out.jsonl"
    whole = b"".join(json.dumps({"image": str(n), "n": "é" * n}).encode() + b"\n" for n in range(4))
    for length in range(len(whole) + 1):
        cut = whole[:length]
        path.write_bytes(cut)

        with Journal(path, durability=Durability.NEVER) as journal:
            journal.append({"image": "new"})
            found = images(journal)

        assert found == [str(number) for number in range(cut.count(b"\n"))] + ["new"], length


def test_a_hole_in_the_middle_costs_only_its_own_lines(tmp_path: Path) -> None:
    """Some file systems fill what was lost with zeros, after which later lines may well be whole."""
    path = tmp_path / "out.jsonl"
    path.write_bytes(b'{"image":"a"}\n' + bytes(40) + b'\n[1]\n{"image":7}\n{"image":"b"}\n')

    with Journal(path) as journal:
        assert images(journal) == ["a", "b"]

    assert path.read_bytes() == b'{"image":"a"}\n{"image":"b"}\n'


def test_an_image_that_comes_twice_is_kept_once(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(b'{"image":"a","n":1}\n{"image":"a","n":2}\n')

    with Journal(path) as journal:
        assert [entry.row["n"] for entry in journal.entries()] == [1]


def test_lines_not_worth_keeping_are_dropped_on_opening(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(b'{"image":"a","status":"failed"}\n{"image":"b","status":"scored"}\n')

    with Journal(path, keep=lambda row: row["status"] != "failed") as journal:
        assert images(journal) == ["b"]


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    """Two runs appending to one table would score everything twice."""
    with Journal(tmp_path / "out.jsonl"), pytest.raises(errors.RunError, match="another run"):
        Journal(tmp_path / "out.jsonl")


def test_mending_keeps_the_hold(tmp_path: Path) -> None:
    """Mending replaces the file; the lock must be on the new one."""
    path = tmp_path / "out.jsonl"
    path.write_bytes(b'{"image":"a"}\ntorn')

    with Journal(path), pytest.raises(errors.RunError):
        Journal(path)


def test_nobody_takes_the_old_file_while_it_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that got hold of it just before it was replaced would write into a file that has no name."""
    path = tmp_path / "out.jsonl"
    path.write_bytes(b'{"image": "a"}\n{"image": "b')
    replace = Path.replace
    refused: list[errors.RunError] = []

    def replaced_under_attack(self: Path, target: Path) -> Path:
        try:
            Journal(target).close()
        except errors.RunError as error:
            refused.append(error)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", replaced_under_attack)
    with Journal(path) as journal:
        assert len(refused) == 1
        assert images(journal) == ["a"]


def test_a_killed_mending_leaves_nothing_behind(tmp_path: Path) -> None:
    """Killed with the second file written and the first not yet replaced; all lines are there, and nothing else."""
    path = tmp_path / "out.jsonl"
    path.write_bytes(b'{"image":"a"}\ntorn')
    script = (
        "import os, pathlib, signal, sys\n"
        "from saliserve_client.scoring.journal import Journal\n"
        "pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Journal(pathlib.Path(sys.argv[1]))\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL

    with Journal(path) as journal:
        assert images(journal) == ["a"]

    assert list(tmp_path.iterdir()) == [path]


def test_a_killed_writer_leaves_whole_lines_and_no_hold(tmp_path: Path) -> None:
    """kill -9 runs no clean-up. Five kills while lines are being written as fast as they can be."""
    path = tmp_path / "out.jsonl"
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            before = path.stat().st_size
            while path.stat().st_size < before + 20_000:
                assert writer.poll() is None
            writer.kill()

    with Journal(path) as journal:
        found = images(journal)
    assert found == [str(number) for number in range(len(found))]
    assert len(found) > 300


def test_a_full_disk_is_one_error_and_leaves_whole_lines(tmp_path: Path) -> None:
    """A limit on the file's size is the nearest to a full disk that needs no rights; a part of the line fits."""
    path = tmp_path / "out.jsonl"
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from saliserve_client import errors\n"
        "from saliserve_client.scoring.journal import Journal\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "journal = Journal(Path(sys.argv[1]))\n"
        "try:\n"
        "    for number in range(100):\n"
        "        journal.append({'image': str(number), 'padding': 'x' * 100})\n"
        "except errors.OutputError as error:\n"
        "    print(number, error)\n"
    )
    assert resource.RLIM_INFINITY == -1  # the script's soft limit is not the hard one

    said = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, check=True, text=True
    ).stdout

    written = int(said.split()[0])
    assert "out.jsonl: cannot be written" in said
    assert [json.loads(line)["image"] for line in path.read_text().splitlines()] == [
        str(n) for n in range(written)
    ]
    assert 0 < written < 10


@pytest.mark.parametrize(
    ("durability", "forced"), [(Durability.ALWAYS, 4), (Durability.SECOND, 2), (Durability.NEVER, 0)]
)
def test_lines_are_forced_as_often_as_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: Durability, forced: int
) -> None:
    """Three lines at 0.0, 0.5 and 1.5 s, then the end: `second` forces at 1.5 s and at the end."""
    calls: list[int] = []
    times = iter([0.0, 0.0, 0.5, 1.5, 1.5, 1.5])
    with Journal(tmp_path / "out.jsonl", durability=durability, clock=lambda: next(times, 1.5)) as journal:
        monkeypatch.setattr(os, "fsync", calls.append)
        for name in "abc":
            journal.append({"image": name})

    assert len(calls) == forced
