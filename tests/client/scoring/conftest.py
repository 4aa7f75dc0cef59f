from pathlib import Path

import pytest


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Forty pictures, all different."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:02}.jpg").write_bytes(f"picture {number}".encode())
    return folder
