"""The classifiers of the benchmark in PyTorch, with the layer that Grad-CAM looks at."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torchvision
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn


class Classifier(nn.Module):
    """A network behind its normalisation: RGB in [0, 1] to logits.

    Args:
        network: Takes normalised images.
        mean: Of all channels.
        std: Of all channels.
    """

    def __init__(self, network: nn.Module, mean: float, std: float) -> None:
        super().__init__()
        self.network = network
        self.mean = mean
        self.std = std

    def forward(self, image: Tensor) -> Tensor:
        """``[N, 3, H, W]`` to ``[N, C]``."""
        logits: Tensor = self.network((image - self.mean) / self.std)
        return logits


class Lite0(nn.Module):
    """EfficientNet-Lite0 with a module where its last feature maps pass, for libraries that hook modules."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.body = EfficientNet.from_name("efficientnet-lite0", num_classes=classes)
        self.features = nn.Identity()

    def forward(self, image: Tensor) -> Tensor:
        """As the body does, in inference."""
        features = self.features(self.body.extract_features(image))
        logits: Tensor = self.body._fc(features.mean((2, 3)))  # noqa: SLF001 - it has no other name
        return logits


@dataclass(frozen=True, slots=True)
class Architecture:
    """How to make one.

    Args:
        make: Without weights.
        layer: Name of the module whose output Grad-CAM weighs.
        tokens: The layer puts out tokens, the class token first.
        mean: Of the normalisation.
        std: Of the normalisation.
    """

    make: Callable[[], nn.Module]
    layer: str
    tokens: bool = False
    mean: float = 0.45
    std: float = 0.225


ARCHITECTURES = {
    "resnet18": Architecture(torchvision.models.resnet18, "layer4.1"),
    "efficientnet_lite0": Architecture(Lite0, "features", mean=127 / 255, std=128 / 255),
    "mobilenet_v3_large": Architecture(torchvision.models.mobilenet_v3_large, "features.16"),
    "vit_b_16": Architecture(
        torchvision.models.vit_b_16, "encoder.layers.encoder_layer_11.ln_1", tokens=True
    ),
    # Small enough for trying out the suite itself.
    "squeezenet1_1": Architecture(partial(torchvision.models.squeezenet1_1, num_classes=10), "features.12"),
}


def make(name: str) -> Classifier:
    """Make a classifier, for inference, with PyTorch's own random weights."""
    architecture = ARCHITECTURES[name]
    return Classifier(architecture.make(), architecture.mean, architecture.std).eval()


def load(name: str, weights: Path) -> Classifier:
    """Make a classifier with the weights of the benchmark."""
    classifier = make(name)
    classifier.load_state_dict(torch.load(weights, weights_only=True))
    for parameter in classifier.parameters():
        parameter.requires_grad_(False)
    return classifier


def feature_layer(name: str, classifier: Classifier) -> nn.Module:
    """Find the module whose output Grad-CAM weighs."""
    return classifier.network.get_submodule(ARCHITECTURES[name].layer)


def token_grid(tokens: Tensor) -> Tensor:
    """Lay a vision transformer's tokens ``[N, 1 + h * w, K]`` out as feature maps ``[N, K, h, w]``."""
    side = round((tokens.shape[1] - 1) ** 0.5)
    return tokens[:, 1:].transpose(1, 2).reshape(len(tokens), -1, side, side)
