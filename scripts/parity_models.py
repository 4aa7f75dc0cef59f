"""The classifiers whose gradients are compared: random weights, statistics of normalisation that are not 0 and 1."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import timm
import torch
import torchvision
from torch import Tensor, nn

MEAN: Final = (0.485, 0.456, 0.406)
STD: Final = (0.229, 0.224, 0.225)
"""Normalisation of every model; it lies inside the graph and inside :class:`Normalised` alike."""


@dataclass(frozen=True)
class Candidate:
    """A model to compare.

    Args:
        make: Builds it with random weights.
        side: Pixels along each side of its image; rules do not depend on it, float64 takes its time.
    """

    make: Callable[[], nn.Module]
    side: int = 128


class Normalised(nn.Module):
    """A classifier behind ``(image - mean) / std``: the reference of a prepared graph."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.mean = nn.Buffer(torch.tensor(MEAN).reshape(1, 3, 1, 1))
        self.std = nn.Buffer(torch.tensor(STD).reshape(1, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Give logits ``[N,C]`` of images ``[N,3,H,W]`` in [0,1]."""
        return torch.as_tensor(self.network((image - self.mean) / self.std))


def plain_cnn() -> nn.Module:
    """Three convolutions with batch normalisation and max pooling."""
    blocks: list[nn.Module] = []
    for inputs, outputs in ((3, 16), (16, 32), (32, 64)):
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        blocks += [convolution, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def _timm(name: str, side: int | None = None) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, num_classes=1000, img_size=side)


MODELS: Final[dict[str, Candidate]] = {
    "plain CNN": Candidate(plain_cnn, 64),
    "VGG-11": Candidate(torchvision.models.vgg11, 224),
    "ResNet-18": Candidate(torchvision.models.resnet18),
    "ResNet-50": Candidate(torchvision.models.resnet50),
    "ResNeXt-50": Candidate(torchvision.models.resnext50_32x4d),
    "DenseNet-121": Candidate(torchvision.models.densenet121),
    "SqueezeNet 1.1": Candidate(torchvision.models.squeezenet1_1),
    "MobileNetV2": Candidate(torchvision.models.mobilenet_v2),
    "MobileNetV3-L": Candidate(torchvision.models.mobilenet_v3_large),
    "EfficientNet-B0": Candidate(torchvision.models.efficientnet_b0),
    "EfficientNet-Lite0": Candidate(_timm("efficientnet_lite0")),
    "ConvNeXt-T": Candidate(torchvision.models.convnext_tiny),
    "RegNetY-400MF": Candidate(torchvision.models.regnet_y_400mf),
    "ShuffleNetV2": Candidate(torchvision.models.shufflenet_v2_x1_0),
    "GoogLeNet": Candidate(lambda: torchvision.models.googlenet(aux_logits=False, init_weights=False)),
    "Inception-v3": Candidate(lambda: torchvision.models.inception_v3(aux_logits=False, init_weights=False)),
    "ViT-B/16": Candidate(lambda: torchvision.models.vit_b_16(image_size=128)),
    "Swin-T": Candidate(torchvision.models.swin_t),
    "MobileViT-S (hybrid)": Candidate(_timm("mobilevit_s")),
    "Mixer-S/32 (MLP)": Candidate(_timm("mixer_s32_224", 128)),
    "ConvNeXtV2-A (modern)": Candidate(_timm("convnextv2_atto")),
    "EVA-02-Ti (modern)": Candidate(_timm("eva02_tiny_patch14_224", 112), 112),
}
"""By the name that the table shows."""


def build(candidate: Candidate, seed: int) -> Normalised:
    """Make a model with weights of its seed, in evaluation mode.

    Running statistics, scales and biases of normalisations are random, and so are layers that start at zero, so that
    nothing is the identity by chance and every gradient is its own.

    Args:
        candidate: Which one.
        seed: Of the weights.

    Returns:
        The model behind its normalisation.
    """
    torch.manual_seed(seed)
    network = candidate.make().eval()
    with torch.no_grad():
        for module in network.modules():
            _randomise(module)
    return Normalised(network).eval()


def _randomise(module: nn.Module) -> None:
    if isinstance(module, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001 - the one base of all of them
        if module.running_mean is not None and module.running_var is not None:
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
        module.weight.uniform_(0.75, 1.25)
        module.bias.normal_(std=0.1)
    elif isinstance(module, nn.LayerNorm) and module.elementwise_affine:
        module.weight.uniform_(0.75, 1.25)
        module.bias.normal_(std=0.1)
    elif isinstance(module, nn.Linear) and not module.weight.any():
        module.weight.normal_(std=0.02)
