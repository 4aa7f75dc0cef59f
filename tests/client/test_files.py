import signal
import subprocess
import sys
from pathlib import Path

from saliserve_client.files import write_whole

KILLED = """
import os, pathlib, signal
from saliserve_client.files import write_whole
pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
write_whole(pathlib.Path("map.npy"), b"half", owner="run")
"""


def test_work_that_was_killed_and_is_done_again_leaves_nothing_behind(tmp_path: Path) -> None:
    """Killed between writing and renaming; the process that goes on has another number."""
    killed = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, check=False)

    assert killed.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == [".map.npy.run.part"]
    write_whole(tmp_path / "map.npy", b"whole", owner="run")
    assert [path.name for path in tmp_path.iterdir()] == ["map.npy"]
    assert (tmp_path / "map.npy").read_bytes() == b"whole"
