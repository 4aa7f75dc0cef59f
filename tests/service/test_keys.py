"""Keys are known by their digests, and bad lines stop the start without being repeated."""

import hashlib
import hmac
import subprocess
import sys
from pathlib import Path

import pytest

from service.errors import SettingsError
from service.keys import Keys, make_key
from service.settings import Settings

DIGEST = hashlib.sha256(b"secret").hexdigest()


def of(*lines: str) -> Keys | None:
    return Keys.of(Settings(keys=lines))


def test_without_keys_there_is_no_door() -> None:
    assert Keys.of(Settings()) is None


def test_a_key_that_was_made_is_accepted_and_no_other() -> None:
    """Nor is its digest, which lies in a file."""
    key, line = make_key("ward-7")
    keys = of(line, f"other:{DIGEST}")

    assert keys is not None
    assert keys.owner_of(key.encode())
    assert keys.owner_of(b"secret")
    for wrong in (b"", b"x", key[:-1].encode(), key.swapcase().encode(), line.encode(), DIGEST.encode()):
        assert not keys.owner_of(wrong)


def test_two_keys_are_never_the_same() -> None:
    """43 characters of chance."""
    assert len({make_key("a")[0] for _ in range(100)}) == 100
    assert len(make_key("a")[0]) == len("saliserve_") + 43


def test_every_key_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where comparing stopped at the first that fits, time would tell which it was."""
    compared: list[bytes] = []
    compare = hmac.compare_digest

    def watched(offered: bytes, digest: bytes) -> bool:
        compared.append(digest)
        return compare(offered, digest)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    keys = Keys({name: hashlib.sha256(name.encode()).digest() for name in "abc"})

    assert keys.owner_of(b"a")
    assert len(compared) == 3


def test_the_file_may_hold_comments(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_text(f"# wards\n\n  ward-7:{DIGEST}  \n")

    keys = Keys.of(Settings(keys_file=file, keys=(f"other:{hashlib.sha256(b'x').hexdigest()}",)))

    assert keys is not None
    assert keys.owner_of(b"secret")
    assert keys.owner_of(b"x")


@pytest.mark.parametrize(
    "line", ["secret", f"a b:{DIGEST}", f"a:{DIGEST[1:]}", f"a:{DIGEST.upper()}", f":{DIGEST}"]
)
def test_a_bad_line_stops_the_start_and_is_not_repeated(line: str) -> None:
    """It may be the key itself."""
    with pytest.raises(SettingsError, match="not written as name:digest") as caught:
        of(line)
    assert line not in str(caught.value)


def test_a_file_without_keys_does_not_open_the_door(tmp_path: Path) -> None:
    """An empty or a missing file is a mistake, not a wish to let everybody in."""
    (tmp_path / "empty").write_text("# none yet\n")

    with pytest.raises(SettingsError, match="holds no key"):
        Keys.of(Settings(keys_file=tmp_path / "empty"))
    with pytest.raises(SettingsError, match="No such file"):
        Keys.of(Settings(keys_file=tmp_path / "missing"))
    with pytest.raises(SettingsError, match="SALISERVE_KEYS holds no key"):
        of()  # as where the variable is filled from a secret that is not there
    with pytest.raises(SettingsError, match="two API keys are named 'a'"):
        of(f"a:{DIGEST}", f"a:{DIGEST}")


def test_nothing_prints_the_digests() -> None:
    """Settings and keys end up in tracebacks."""
    settings = Settings(keys=(f"a:{DIGEST}",))

    assert DIGEST not in repr(settings)
    assert DIGEST not in repr(Keys.of(settings))


def test_the_command_prints_a_key_and_its_line() -> None:
    """Apart, so that one can be handed over and the other kept."""
    made = subprocess.run(
        [sys.executable, "-m", "service.keys", "ward-7"], capture_output=True, text=True, check=True
    )

    keys = of(*[line for line in made.stderr.splitlines() if not line.startswith("#")])
    assert keys is not None
    assert keys.owner_of(made.stdout.strip().encode())


def test_the_command_refuses_a_name_that_would_break_the_file() -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "service.keys", "a:b"], capture_output=True, text=True, check=False
    )

    assert refused.returncode == 1
    assert "name:digest" in refused.stderr
    assert refused.stdout == ""
