"""Networks by name. Normalisation is inside, so images, gradients and epsilons are in pixel units."""

import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from training.config import ModelConfig
from training.errors import ConfigurationError


class Normalised(nn.Module):
    """A classifier that takes RGB in [0, 1].

    Args:
        network: Takes normalised images.
        mean: Per channel.
        std: Per channel.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, network: nn.Module, mean: tuple[float, float, float], std: tuple[float, float, float]
    ) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Classify ``[N, 3, H, W]``; give logits ``[N, C]``."""
        logits: Tensor = self.network((images - self.mean) / self.std)
        return logits


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a way around them (arXiv 1512.03385).

    Args:
        inputs: Channels in.
        outputs: Channels out.
        stride: Of the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.convolution_1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm_1 = nn.BatchNorm2d(outputs)
        self.convolution_2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm_2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, features: Tensor) -> Tensor:
        """Map ``[N, inputs, h, w]`` to ``[N, outputs, h / stride, w / stride]``."""
        inner = functional.relu(self.norm_1(self.convolution_1(features)))
        return functional.relu(self.norm_2(self.convolution_2(inner)) + self.shortcut(features))


def narrow_resnet(classes: int, *, width: int, blocks: int, stem_stride: int) -> nn.Sequential:
    """Build a ResNet for small pictures and small machines: three stages of width, 2 and 4 times width.

    Examples:
        >>> network = narrow_resnet(10, width=16, blocks=1, stem_stride=1)
        >>> sum(weights.numel() for weights in network.parameters())
        78042
    """
    layers: list[nn.Module] = [
        nn.Conv2d(3, width, 3, stem_stride, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    ]
    inputs = width
    for stage in range(3):
        outputs = width * 2**stage
        for block in range(blocks):
            layers.append(ResidualBlock(inputs, outputs, 2 if stage and not block else 1))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


def build_network(config: ModelConfig, classes: int) -> Normalised:
    """Make the network that a configuration names.

    Raises:
        ConfigurationError: No such name.
    """
    library, _, name = config.name.partition(":")
    if config.name == "narrow-resnet":
        bare: nn.Module = narrow_resnet(
            classes, width=config.width, blocks=config.blocks, stem_stride=config.stem_stride
        )
    elif library == "torchvision" and name in torchvision.models.list_models():
        bare = _torchvision(name, classes, pretrained=config.pretrained)
    elif library == "timm" and timm.is_model(name):
        bare = timm.create_model(name, pretrained=config.pretrained, num_classes=classes)
    else:
        raise ConfigurationError(
            f"model.name is {config.name!r}; expected narrow-resnet, torchvision:<name> or timm:<name>, "
            "such as torchvision:resnet18",
            where="model.name",
        )
    return Normalised(bare, config.mean, config.std)


def _torchvision(name: str, classes: int, *, pretrained: bool) -> nn.Module:
    if not pretrained:
        network: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes)
        return network
    network = torchvision.models.get_model(name, weights="DEFAULT")
    _replace_head(network, classes)
    return network


def _replace_head(network: nn.Module, classes: int) -> None:
    """Put a fresh last linear layer in place of the one for ImageNet's classes."""
    name, head = [(name, part) for name, part in network.named_modules() if isinstance(part, nn.Linear)][-1]
    parent, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(parent), attribute, nn.Linear(head.in_features, classes))
