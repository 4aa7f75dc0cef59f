"""A few maps of every run, kept beside its evaluation so that a report can show them side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.arrays import Image, SaliencyMap
from service.explain.subject import Subject
from service.runtime.model import LoadedModel
from training.receipts import EXPLAINERS, explain

MAPS = "maps.npz"
SHOWN = 6


@dataclass(frozen=True, slots=True)
class ShownMaps:
    """Pictures and what a network saw in them.

    Args:
        pictures: Uint8 ``[N, 3, H, W]``.
        maps: By explainer, float16 ``[N, H, W]``; the largest magnitude of each is 1.
    """

    pictures: NDArray[np.uint8]
    maps: Mapping[str, NDArray[np.float16]]


def spread_out(count: int) -> list[int]:
    """Choose up to :data:`SHOWN` of *count* pictures, evenly over the classes in whose order they come.

    Examples:
        >>> spread_out(60)
        [0, 12, 24, 35, 47, 59]
        >>> spread_out(2)
        [0, 1]
    """
    return [round(number) for number in np.linspace(0, count - 1, min(SHOWN, count))]


def write_maps(folder: Path, model: LoadedModel, images: Sequence[Image], labels: Sequence[int]) -> None:
    """Explain a few pictures and write them beside the evaluation.

    Args:
        folder: Of the run.
        model: Its bundle.
        images: ``[3, H, W]`` each, in [0, 1].
        labels: The true classes.
    """
    subjects = [
        Subject.of(model, image, target=label, seed=number)
        for number, (image, label) in enumerate(zip(images, labels, strict=True))
    ]
    arrays: dict[str, Any] = {
        name: np.stack([_scaled(explain(subject, name)) for subject in subjects]) for name in EXPLAINERS
    }
    arrays["pictures"] = np.round(np.stack(images) * 255).astype(np.uint8)
    fresh = folder / f".{MAPS}"
    with fresh.open("wb") as file:
        np.savez_compressed(file, **arrays)
    fresh.replace(folder / MAPS)


def read_maps(folder: Path) -> ShownMaps | None:
    """Read what :func:`write_maps` wrote; None where an older evaluation kept none."""
    path = folder / MAPS
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as found:
        return ShownMaps(found["pictures"], {name: found[name] for name in found if name != "pictures"})


def _scaled(values: SaliencyMap) -> NDArray[np.float16]:
    largest = np.abs(values).max()
    return (values / largest if largest > 0 else values).astype(np.float16)
