"""How often soft noise that knows nothing is called faithful, and what asking for more than luck would cost.

``python -m scripts.receipt_luck --model models/cifar10-standard/1 --pictures FOLDER --count 80``. Every picture is judged
with maps of a method and with soft noise of three widths; each is one line of a file, so that an interrupted run
goes on where it was. ``--tell`` counts what is there.
"""

import argparse
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image

from service.arrays import Image, SaliencyMap
from service.bundle.load import load_bundle
from service.certificate.certify import predicted
from service.explain.methods import METHODS
from service.explain.subject import Subject
from service.faithfulness.grid import Grid
from service.faithfulness.measures.luck import luck_plan
from service.faithfulness.protocol import FAST
from service.faithfulness.receipt import receipt_plan
from service.imaging.resize import resize
from service.runtime.device import choose_device
from service.runtime.drive import drive
from service.runtime.model import LoadedModel
from service.runtime.programs import Programs

ROOT = Path(__file__).parents[1]
WIDTHS = (0.07, 0.14, 0.21)
"""Deviations of the blobs, shares of the image's side: 16, 32 and 48 pixels of 224."""

LEVELS = (0.05, 0.1)


def main() -> None:
    """Judge what is not yet judged, then count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "imagenet-efficientnet-lite0" / "1")
    parser.add_argument("--pictures", type=Path, help="a folder; those below it count")
    parser.add_argument("--count", type=int, default=80, help="of pictures, drawn by seed 0")
    parser.add_argument("--draws", type=int, default=1, help="maps of soft noise per picture and width")
    parser.add_argument("--method", default="grad_cam", choices=list(METHODS))
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "receipt-luck.jsonl")
    parser.add_argument("--tell", action="store_true", help="only count")
    given = parser.parse_args()
    if not given.tell:
        if given.pictures is None:
            parser.error("--pictures is needed to judge")
        labels = [given.method, *(f"{width} {draw}" for draw in range(given.draws) for width in WIDTHS)]
        _judge_all(given.model, _drawn(given.pictures, given.count), labels, given.out)
    _tell(_rows(given.out))


def _drawn(folder: Path, count: int) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    chosen = np.random.default_rng(0).permutation(len(found))[:count]
    return [found[index] for index in chosen]


def _rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def _judge_all(folder: Path, pictures: list[Path], labels: list[str], out: Path) -> None:
    device = choose_device("cpu", threads=1)
    model = LoadedModel(load_bundle(folder), device, Programs(device))
    model.warm_up()
    out.parent.mkdir(parents=True, exist_ok=True)
    done = {(row["picture"], row["map"]) for row in _rows(out)}
    for label in labels:
        for path in pictures:
            name = "/".join(path.parts[-2:])
            if (name, label) not in done:
                row = {"picture": name, "map": label, **_judge(model, _image(model, path), name, label)}
                with out.open("a") as file:
                    file.write(json.dumps(row) + "\n")


def _image(model: LoadedModel, path: Path) -> Image:
    picture = np.asarray(PIL.Image.open(path).convert("RGB"))
    return resize(picture, model.manifest.input.resize, height=model.height, width=model.width).image


def _judge(model: LoadedModel, image: Image, name: str, label: str) -> dict[str, Any]:
    subject = Subject.of(
        model, image, target=predicted(model, image), seed=zlib.crc32(f"{name} {label}".encode())
    )
    saliency = _map(subject, label)
    receipt = drive(receipt_plan(subject, saliency, protocol=FAST), model)
    counted = [panel for panel in receipt.panels if panel.operator.name in receipt.counted]
    luck = None
    if counted:
        grid = Grid.over(model.height, model.width, rows=FAST.rows, columns=FAST.columns)
        luck = drive(luck_plan(subject, grid.cell_sums(saliency), grid, counted, steps=FAST.steps), model)
    return {
        "verdict": receipt.verdict.value,
        "z_score": luck and luck.z_score,
        "p_value": luck and luck.p_value,
    }


def _map(subject: Subject, label: str) -> SaliencyMap:
    if label in METHODS:
        method = METHODS[label]
        return drive(method.plan(subject, method.parameters()), subject.model).map
    return soft_noise(
        subject.pixels.shape[1], float(label.split(maxsplit=1)[0]), np.random.default_rng(subject.seed)
    )


def soft_noise(side: int, width: float, random: np.random.Generator) -> SaliencyMap:
    """Blur white noise, on a field so large that its border is not seen.

    Args:
        side: Of the square map, pixels.
        width: Deviation of the blur, share of the side.
        random: Draws the noise.
    """
    margin = int(4 * width * side)
    field = random.standard_normal((side + 2 * margin, side + 2 * margin)).astype(np.float32)
    blurred = cv2.GaussianBlur(field, (0, 0), width * side)
    return np.ascontiguousarray(
        np.asarray(blurred, np.float32)[margin : margin + side, margin : margin + side]
    )


def _tell(rows: list[dict[str, Any]]) -> None:
    noise = [row for row in rows if row["map"] not in METHODS]
    for name, mine in (("soft noise", noise), *_methods(rows)):
        faithful = [row for row in mine if row["verdict"] == "faithful"]
        left = ", ".join(
            f"{sum(row['p_value'] <= level for row in faithful)} with p <= {level:g}" for level in LEVELS
        )
        scored = [row["p_value"] for row in mine if row["p_value"] is not None]
        shares = ", ".join(
            f"{np.mean(np.array(scored) <= level):.1%} have p <= {level:g}" for level in LEVELS
        )
        print(
            f"{name}: {len(faithful)} of {len(mine)} faithful, {left} as well; of {len(scored)} scored {shares}"
        )


def _methods(rows: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for name in dict.fromkeys(row["map"] for row in rows if row["map"] in METHODS):
        yield name, [row for row in rows if row["map"] == name]


if __name__ == "__main__":
    main()
