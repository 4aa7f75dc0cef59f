"""Judge eight methods and three maps that know nothing on twenty labelled photographs; write the table of verdicts.

``python -m scripts.receipt_table --cifar10 FOLDER`` takes a quarter of an hour on two quiet cores. Every verdict is one line of
a file, so that an interrupted run goes on where it was; ``--write`` makes the table of what is there.
"""

import argparse
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import skimage.data

from service.arrays import Picture, SaliencyMap
from service.bundle.load import load_bundle
from service.explain.method import Parameters
from service.explain.methods import METHODS
from service.explain.subject import Subject
from service.faithfulness.controls import edges
from service.faithfulness.protocol import PROTOCOLS
from service.faithfulness.receipt import receipt_plan
from service.imaging.resize import resize
from service.runtime.device import choose_device
from service.runtime.drive import drive
from service.runtime.model import LoadedModel
from service.runtime.programs import Programs

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "receipt-table.md"

EXPLAINERS = (
    "grad_cam",
    "layer_cam",
    "gradient",
    "input_x_gradient",
    "smooth_grad",
    "integrated_gradients",
    "occlusion",
    "lime",
)
IGNORANT = ("random", "edges", "constant")
"""Maps that know nothing of the model: none may be called faithful."""

LIME_SAMPLES = 200

SMALL = 64
"""Pixels; pictures below are smaller than two of occlusion's default windows."""

IMAGENET = "imagenet-efficientnet-lite0"
CIFAR10 = "cifar10-standard"


@dataclass(frozen=True, slots=True)
class Photo:
    """A labelled photograph.

    Args:
        name: In the table; one that is altered says so.
        model: Name of the bundle that is asked.
        label: What is on it, as the bundle spells it.
        picture: ``[height, width, 3]``.
    """

    name: str
    model: str
    label: str
    picture: Picture


def photographs(cifar10: Path) -> Iterator[Photo]:
    """Yield one test picture of each CIFAR-10 class, four photographs, and six alterations of these.

    The four are scikit-image's, all in the public domain or CC0.
    """
    for folder in sorted(path for path in cifar10.iterdir() if path.is_dir()):
        first = min(folder.iterdir())
        yield Photo(f"{folder.name} {first.stem}", CIFAR10, folder.name, _read(first))
    data = Path(skimage.data.__file__).parent
    whole = {
        "coffee": ("coffee.png", "espresso"),
        "camera": ("camera.png", "tripod"),
        "chelsea": ("chelsea.png", "tabby"),
        "rocket": ("rocket.jpg", "missile"),
    }
    pictures = {name: (_read(data / file), label) for name, (file, label) in whole.items()}
    for name, (picture, label) in pictures.items():
        yield Photo(name, IMAGENET, label, picture)
    for name, (picture, label) in pictures.items():
        yield Photo(f"{name}, mirrored", IMAGENET, label, np.ascontiguousarray(picture[:, ::-1]))
    for name in ("coffee", "camera"):
        picture, label = pictures[name]
        yield Photo(f"{name}, darkened", IMAGENET, label, (picture * 0.6).astype(np.uint8))


def _read(path: Path) -> Picture:
    return np.asarray(PIL.Image.open(path).convert("RGB"))


def main() -> None:
    """Judge what is not yet judged, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--cifar10", type=Path, help="folder of CIFAR-10's test pictures, one folder per class"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "receipt-table.jsonl")
    parser.add_argument("--receipts", nargs="+", default=["fast", "full"], choices=list(PROTOCOLS))
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name} of what is there")
    options = parser.parse_args()
    if options.write:
        PAGE.write_text(page(_rows(options.out)))
    elif options.cifar10 is None:
        parser.error("--cifar10 is needed to judge")
    else:
        _judge_all(list(photographs(options.cifar10)), options.receipts, options.out)


def _rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def _judge_all(photos: list[Photo], receipts: list[str], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    done = {(row["receipt"], row["photo"], row["map"]) for row in _rows(out)}
    models = {name: _load(name) for name in {photo.model for photo in photos}}
    for receipt in receipts:
        # What a claim rests on comes first: an interrupted run has whole columns.
        for name in dict.fromkeys(("grad_cam", *IGNORANT, *EXPLAINERS)):
            for photo in photos:
                if (receipt, photo.name, name) in done:
                    continue
                row = _judge(models[photo.model], photo, name, receipt)
                with out.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                print(receipt, photo.name, name, row["verdict"], flush=True)


def _load(name: str) -> LoadedModel:
    device = choose_device("cpu", threads=1)
    model = LoadedModel(load_bundle(ROOT / "models" / name / "1"), device, Programs(device))
    model.warm_up()
    return model


def _judge(model: LoadedModel, photo: Photo, name: str, receipt: str) -> dict[str, Any]:
    view = resize(photo.picture, model.manifest.input.resize, height=model.height, width=model.width)
    subject = Subject.of(model, view.image, target=model.classes.index(photo.label))
    made_with = _parameters(subject, name).made_with if name in METHODS else ()
    plan = receipt_plan(subject, _map(subject, photo, name), protocol=PROTOCOLS[receipt], made_with=made_with)
    found = drive(plan, model)
    return {
        "receipt": receipt,
        "photo": photo.name,
        "model": photo.model,
        "label": photo.label,
        "probability": found.panels[0].clear_probability if found.panels else None,
        "map": name,
        "verdict": found.verdict.value,
        "reason": found.judgement.reason,
        "z_score": None if found.summary is None else found.summary.map.z_score,
        "version": found.protocol.version,
    }


def _map(subject: Subject, photo: Photo, name: str) -> SaliencyMap:
    match name:
        case "random":
            noise = np.random.default_rng(zlib.crc32(photo.name.encode()))
            return noise.standard_normal(subject.pixels.shape[1:]).astype(np.float32)
        case "edges":
            return edges(subject.pixels)
        case "constant":
            return np.ones(subject.pixels.shape[1:], np.float32)
        case _:
            return drive(METHODS[name].plan(subject, _parameters(subject, name)), subject.model).map


def _parameters(subject: Subject, name: str) -> Parameters:
    """Take the defaults, but for windows that would cover a small picture at once, and LIME's many samples."""
    if name == "lime":
        return METHODS[name].parameters.model_validate({"samples": LIME_SAMPLES})
    if name == "occlusion" and subject.model.height < SMALL:
        return METHODS[name].parameters.model_validate({"window": 4, "stride": 2})
    return METHODS[name].parameters()


SHORT: Mapping[str, str] = {
    "faithful": "F",
    "mixed": "m",
    "indistinguishable from random": "r",
    "cannot be scored": "–",
}


def page(rows: list[dict[str, Any]]) -> str:
    """Write the tables, one per receipt."""
    names = (*EXPLAINERS, *IGNORANT)
    parts = [
        "# Verdicts on twenty photographs",
        (
            "Made by `scripts/receipt_table.py`; `F` faithful, `m` mixed, `r` indistinguishable from random, "
            "`–` cannot be scored. The target is the photograph's label, not what the model predicts; its "
            "probability says how far the model agrees. Photographs named *mirrored* or *darkened* are alterations "
            "of the one before the comma, not photographs of their own. Methods have their defaults, but LIME 200 samples, "
            "and occlusion windows of 4 pixels on CIFAR-10's 32. An empty cell was not run."
        ),
    ]
    for receipt in PROTOCOLS:
        mine = {(row["photo"], row["map"]): row for row in rows if row["receipt"] == receipt}
        photos = list(dict.fromkeys(photo for photo, _ in mine))
        if not photos:
            continue
        version = next(iter(mine.values()))["version"]
        parts.append(f"## `receipt={receipt}`, protocol version {version}")
        lines = [
            "| photograph | label, probability | " + " | ".join(names) + " |",
            "|---|---|" + "---|" * len(names),
        ]
        lines += [_line(photo, [mine.get((photo, name)) for name in names]) for photo in photos]
        counts = [
            Counter(mine[photo, name]["verdict"] for photo in photos if (photo, name) in mine)
            for name in names
        ]
        lines.append(
            "| **faithful** | | "
            + " | ".join(f"{one['faithful']} of {one.total()}" if one else " " for one in counts)
            + " |"
        )
        parts.append("\n".join(lines))
        reasons = [
            f"- {photo}: {row['reason']}"
            for photo in photos
            if (row := mine.get((photo, "grad_cam"))) is not None and row["model"] == IMAGENET
        ]
        parts += [f"### Why: Grad-CAM on {IMAGENET}", "\n".join(reasons)]
    return "\n\n".join(parts) + "\n"


def _line(photo: str, rows: list[dict[str, Any] | None]) -> str:
    known = [row for row in rows if row is not None]
    probability = next((row["probability"] for row in known if row["probability"] is not None), None)
    told = "" if probability is None else f", {probability:.2f}"
    verdicts = [" " if row is None else SHORT[row["verdict"]] for row in rows]
    return f"| {photo} | {known[0]['label']}{told} | " + " | ".join(verdicts) + " |"


if __name__ == "__main__":
    main()
