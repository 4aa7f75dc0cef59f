"""Where the maps and overlays of a run go."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

from saliserve_client.files import write_whole
from saliserve_client.results import Explanation
from saliserve_client.scoring.job import Job
from saliserve_client.scoring.journal import Durability, Row

LONGEST = 200
"""Bytes of a file name before the ending; most file systems take 255 in all."""


def write_pictures(job: Job, image: str, explanation: Explanation) -> Row:
    """Write what the job asks for and return the columns that name it.

    Raises:
        OutputError: A file cannot be written.
    """
    durable = job.durability is Durability.ALWAYS
    owner = hashlib.sha256(str(job.out.resolve()).encode()).hexdigest()[:12]
    columns: Row = {}
    if job.maps is not None:
        columns["map"] = f"{below(image)}.map{explanation.encoded_map.suffix}"
        write_whole(job.maps / columns["map"], explanation.encoded_map.data, durable=durable, owner=owner)
    if job.overlays is not None and explanation.overlay is not None:
        columns["overlay"] = f"{below(image)}.overlay{explanation.overlay_suffix}"
        write_whole(job.overlays / columns["overlay"], explanation.overlay, durable=durable, owner=owner)
    return columns


def below(image: str) -> str:
    """Name an image's files by a path that stays below the folder they are put in.

    Examples:
        >>> below("cats/tabby.jpg")
        'cats/tabby.jpg'
        >>> below("../secret/tabby.jpg")
        '7dab3c26d844-tabby.jpg'
    """
    path = PurePosixPath(Path(image).as_posix())
    plain = not path.is_absolute() and ".." not in path.parts and not path.drive
    if plain and len(path.name.encode()) <= LONGEST:
        return str(path)
    name = path.name.encode()[-LONGEST // 2 :].decode(errors="ignore")
    return f"{hashlib.sha256(image.encode()).hexdigest()[:12]}-{name}"
