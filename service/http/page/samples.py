"""The bundled pictures that the page offers."""

from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
"""In a checkout, a bento and an image alike, ``samples/`` lies beside ``service/``."""

MEDIA_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


def find_samples(folder: Path = SAMPLES) -> dict[str, Path]:
    """Find the pictures, by file name; none where there is no such folder."""
    if not folder.is_dir():
        return {}
    return {path.name: path for path in sorted(folder.iterdir()) if path.suffix.lower() in MEDIA_TYPES}


def label(name: str) -> str:
    """Say what a sample is called.

    Examples:
        >>> label("rocket-launch.jpg")
        'Rocket launch'
    """
    return Path(name).stem.replace("-", " ").replace("_", " ").capitalize()
