"""Draw the pictures of docs/receipt.md from the shipped model and samples: ``python -m scripts.make_receipt_pictures``.

About a minute on two idle cores.
"""

import argparse
from collections import Counter
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import PIL.Image
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from service.arrays import SaliencyMap
from service.bundle.load import load_bundle
from service.explain.methods import METHODS
from service.explain.subject import Subject
from service.faithfulness.grid import Grid
from service.faithfulness.operators.registry import OPERATORS
from service.faithfulness.panel import Panel
from service.faithfulness.protocol import FAST, FULL, Protocol
from service.faithfulness.receipt import Receipt, receipt_plan
from service.imaging.resize import resize
from service.runtime.device import choose_device
from service.runtime.drive import drive
from service.runtime.model import LoadedModel
from service.runtime.programs import Programs

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
MODEL = "imagenet-efficientnet-lite0"
ESPRESSO = "espresso"
BLOBS = 10
"""Maps of soft noise that know nothing of the model."""

mpl.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False})


def main() -> None:
    """Draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="*", default=["curves", "emptied", "luck"])
    options = parser.parse_args()
    device = choose_device("cpu")
    model = LoadedModel(load_bundle(ROOT / "models" / MODEL / "1"), device, Programs(device))
    model.warm_up()
    picture = np.asarray(PIL.Image.open(ROOT / "samples" / "coffee.jpg").convert("RGB"))
    view = resize(picture, model.manifest.input.resize, height=model.height, width=model.width)
    subject = Subject.of(model, view.image, target=model.classes.index(ESPRESSO))
    if "luck" in options.pictures:
        _save(luck(subject), "receipt-luck.png")
    if {"curves", "emptied"} & set(options.pictures):
        grad_cam = METHODS["grad_cam"]
        explained = drive(grad_cam.plan(subject, grad_cam.parameters()), model).map
        receipt = _receipt(subject, explained, FULL)
        _save(curves(receipt), "receipt-curves.png")
        _save(emptied(subject, receipt), "receipt-emptied.png")


def curves(receipt: Receipt) -> Figure:
    """Draw the curves of every operator beside those of random orders."""
    figure = Figure(figsize=(9, 2.4), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(receipt.panels), sharey=True), receipt.panels, strict=True):
        share = np.linspace(0, 100, len(panel.map.morf))
        for pair in panel.random:
            axes.plot(share, pair.morf, color="0.8", lw=0.7)
            axes.plot(share, pair.lerf, color="0.8", lw=0.7)
        axes.plot(share, panel.map.morf, color="#d55e00", label="most relevant first")
        axes.plot(share, panel.map.lerf, color="#0072b2", label="least relevant first")
        axes.set(title=_told(panel), xlabel="removed, %", ylim=(0, 1))
    figure.axes[0].set_ylabel(f"probability of {ESPRESSO}")
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _told(panel: Panel) -> str:
    z = panel.chance.z_score(panel.map.log_odds_srg)
    return f"{panel.operator.name.replace('_', ' ')}\nSRG {panel.map.srg:.2f}, z {z:.1f}"


def emptied(subject: Subject, receipt: Receipt) -> Figure:
    """Show what every operator leaves of the picture, and what the model sees in it."""
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    grid = Grid.over(subject.model.height, subject.model.width, rows=14, columns=14)
    everything = np.ones((1, grid.size), np.bool_)
    for axes, panel in zip(figure.subplots(1, len(receipt.panels)), receipt.panels, strict=True):
        stage = OPERATORS[panel.operator.name].prepare(subject, grid)(everything)
        left = stage.program(stage.inputs)["images"].numpy()[0]
        seen = subject.model.classes[panel.audit.predicted_class]
        neutral = "neutral" if panel.audit.neutral else "not neutral"
        _show(axes, np.clip(left.transpose(1, 2, 0), 0, 1))
        axes.set_title(
            f"{panel.operator.name.replace('_', ' ')}\n{seen} {panel.audit.largest_probability:.2f}\n{neutral}"
        )
    return figure


def luck(subject: Subject) -> Figure:
    """Judge soft noise of ever wider blobs: the wider, the luckier."""
    figure = Figure(figsize=(5.5, 3.1), layout="constrained")
    widths = (16, 48)
    for axes, width in zip(figure.subplots(1, len(widths)), widths, strict=True):
        receipts = [_receipt(subject, soft_noise(subject, width, seed), FAST) for seed in range(BLOBS)]
        luckiest = max(receipts, key=_z_score)
        counts = Counter(one.verdict.value for one in receipts)
        _show(axes, subject.pixels.mean(axis=0), cmap="gray")
        axes.imshow(luckiest.map, cmap="inferno", alpha=0.6)
        axes.set_title(
            f"blobs of {width} pixels\n{counts['faithful']} of {BLOBS} maps faithful\n"
            f"the luckiest: z {_z_score(luckiest):.1f}, {luckiest.verdict.value}"
        )
    return figure


def soft_noise(subject: Subject, width: int, seed: int) -> SaliencyMap:
    """Draw noise and blur it."""
    noise = np.random.default_rng(seed).standard_normal(subject.pixels.shape[1:]).astype(np.float32)
    return noise if width == 0 else np.asarray(cv2.GaussianBlur(noise, (0, 0), width), np.float32)


def _z_score(receipt: Receipt) -> float:
    return -np.inf if receipt.summary is None else receipt.summary.map.z_score


def _receipt(subject: Subject, saliency: SaliencyMap, protocol: Protocol) -> Receipt:
    return drive(receipt_plan(subject, saliency, protocol=protocol), subject.model)


def _show(
    axes: Axes, image: np.ndarray[tuple[int, ...], np.dtype[np.float32]], cmap: str | None = None
) -> None:
    axes.imshow(image, cmap=cmap)
    axes.set_axis_off()


def _save(figure: Figure, name: str) -> None:
    figure.savefig(IMAGES / name, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
