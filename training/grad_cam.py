"""Grad-CAM for any convolutional network (arXiv 1610.02391)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.config import Scalar
from training.errors import ConfigurationError
from training.scalar import scalar_of

SPATIAL = 4
"""Dimensions of a tensor with channels, height and width."""


def feature_layer(network: nn.Module, image: Tensor) -> nn.Module:
    """Find the last module whose answer still has height and width.

    Args:
        network: Any network.
        image: ``[1, 3, H, W]``.

    Raises:
        ConfigurationError: There is none, as in a vision transformer.
    """
    seen: list[nn.Module] = []

    def note(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() == SPATIAL and min(output.shape[2:]) > 1:
            seen.append(module)

    handles = [module.register_forward_hook(note) for module in network.modules() if module is not network]
    try:
        with torch.no_grad():
            network(image)
    finally:
        for handle in handles:
            handle.remove()
    if not seen:
        raise ConfigurationError("no layer of this network has height and width; Grad-CAM needs one")
    return seen[-1]


def grad_cam(network: nn.Module, images: Tensor, labels: Tensor, scalar: Scalar) -> tuple[Tensor, Tensor]:
    """Weigh the last feature maps by their mean gradient; negative evidence is cut off at the end.

    Returns:
        Maps ``[N, H, W]`` and logits ``[N, C]``, both detached.
    """
    kept: list[Tensor] = []
    handle = feature_layer(network, images[:1]).register_forward_hook(lambda _m, _i, out: kept.append(out))
    try:
        with torch.enable_grad():
            logits = network(images.detach())
            features = kept[-1]
            [gradient] = torch.autograd.grad(scalar_of(logits, labels, scalar).sum(), features)
    finally:
        handle.remove()
    weights = gradient.mean((2, 3), keepdim=True)
    cam = (weights * features).sum(1, keepdim=True).relu().detach()
    full = functional.interpolate(cam, size=images.shape[2:], mode="bilinear", align_corners=False)
    return full[:, 0], logits.detach()
