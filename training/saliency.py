"""Which pixels the network listens to: the map that guides the attack.

Call everything here under :func:`training.modes.evaluating`; gradients go to the image only.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.config import SaliencyConfig, Scalar
from training.errors import ConfigurationError
from training.grad_cam import grad_cam
from training.passes import Passes
from training.scalar import scalar_of


@dataclass(frozen=True, slots=True)
class Saliency:
    """A saliency map per image.

    Args:
        map: ``[N, H, W]``, not negative, largest value 1 per image (all 0 where every gradient is 0).
        logits: ``[N, C]`` of the unperturbed images, detached; None where no pass saw those.
        passes: What it cost.
    """

    map: Tensor
    logits: Tensor | None
    passes: Passes


def input_gradient(
    network: nn.Module, images: Tensor, labels: Tensor, scalar: Scalar = "logit"
) -> tuple[Tensor, Tensor]:
    """Differentiate with respect to the image, touching no parameter's ``.grad``.

    Returns:
        The gradient ``[N, 3, H, W]`` and the logits ``[N, C]``, both detached.
    """
    leaf = images.detach().requires_grad_()
    with torch.enable_grad():
        logits = network(leaf)
        [gradient] = torch.autograd.grad(scalar_of(logits, labels, scalar).sum(), leaf)
    return gradient, logits.detach()


def reduce_channels(values: Tensor, how: str) -> Tensor:
    """Bring ``[N, 3, H, W]`` to magnitudes ``[N, H, W]``.

    The magnitude is taken first: a mean of signed gradients cancels where channels disagree.

    Examples:
        >>> reduce_channels(torch.tensor([1.0, -1.0, 0.0]).view(1, 3, 1, 1), "max")
        tensor([[[1.]]])
    """
    match how:
        case "max":
            return values.abs().amax(1)
        case "mean":
            return values.abs().mean(1)
        case "l2":
            return values.square().sum(1).sqrt()
    raise ConfigurationError(f"saliency.channels is {how!r}; expected max, mean or l2")


def smooth_gradient(
    network: nn.Module, images: Tensor, labels: Tensor, options: SaliencyConfig, generator: torch.Generator
) -> Tensor:
    """Average the gradient over noisy copies of the image (SmoothGrad, arXiv 1706.03825)."""
    total = torch.zeros_like(images)
    for _ in range(options.samples):
        noise = torch.randn(images.shape, generator=generator, device=images.device)
        total += input_gradient(network, images + options.noise * noise, labels, options.scalar)[0]
    return total / options.samples


def integrated_gradients(
    network: nn.Module, images: Tensor, labels: Tensor, options: SaliencyConfig, _: torch.Generator
) -> Tensor:
    """Integrate the gradient from each image's own mean colour (arXiv 1703.01365), by the midpoint rule."""
    baseline = images.mean((2, 3), keepdim=True)
    total = torch.zeros_like(images)
    for step in range(options.samples):
        point = baseline + (step + 0.5) / options.samples * (images - baseline)
        total += input_gradient(network, point, labels, options.scalar)[0]
    return total / options.samples * (images - baseline)


_SAMPLED: dict[str, Callable[[nn.Module, Tensor, Tensor, SaliencyConfig, torch.Generator], Tensor]] = {
    "smooth_gradient": smooth_gradient,
    "integrated_gradients": integrated_gradients,
}


def saliency(
    network: nn.Module, images: Tensor, labels: Tensor, options: SaliencyConfig, generator: torch.Generator
) -> Saliency:
    """Make the map that guides the attack.

    Args:
        network: In evaluation mode; image in [0, 1] to logits.
        images: ``[N, 3, H, W]``.
        labels: ``[N]``, the class whose evidence is sought.
        options: Method, scalar, channel reduction, smoothing.
        generator: For methods that sample.

    Returns:
        The normalised map.
    """
    values, logits, passes = _attribute(network, images, labels, options, generator)
    return Saliency(refine(values, options), logits, passes)


def _attribute(
    network: nn.Module, images: Tensor, labels: Tensor, options: SaliencyConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor | None, Passes]:
    if options.method == "grad_cam":
        values, logits = grad_cam(network, images, labels, options.scalar)
        return values, logits, Passes(1, 1)
    if options.method in _SAMPLED:
        signed = _SAMPLED[options.method](network, images, labels, options, generator)
        return reduce_channels(signed, options.channels), None, Passes(options.samples, options.samples)
    signed, clean = input_gradient(network, images, labels, options.scalar)
    if options.method == "gradient_times_input":
        signed = signed * images
    return reduce_channels(signed, options.channels), clean, Passes(1, 1)


def refine(values: Tensor, options: SaliencyConfig) -> Tensor:
    """Smooth, pool to patches, and scale each map to a maximum of 1.

    Args:
        values: ``[N, H, W]``, not negative.
        options: ``smoothing`` is the side of a mean filter in pixels, ``patch`` that of a patch.

    Returns:
        ``[N, H, W]``.
    """
    if options.smoothing > 1:
        values = functional.avg_pool2d(
            values[:, None],
            options.smoothing,
            stride=1,
            padding=options.smoothing // 2,
            count_include_pad=False,
        )[:, 0]
    if options.patch > 1:
        values = pool_patches(values, options.patch)
    return values / values.amax((1, 2), keepdim=True).clamp_min(1e-12)


def pool_patches(values: Tensor, patch: int) -> Tensor:
    """Give every pixel the mean of its patch, so that a mask holds whole tokens of a vision transformer.

    Raises:
        ConfigurationError: The image is not made of whole patches.

    Examples:
        >>> pool_patches(torch.tensor([[[1.0, 3.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]), 2)
        tensor([[[1., 1., 0., 0.],
                 [1., 1., 0., 0.]]])
    """
    height, width = values.shape[1:]
    if height % patch or width % patch:
        raise ConfigurationError(
            f"saliency.patch is {patch}; an image of {height}x{width} has no whole patches"
        )
    pooled = functional.avg_pool2d(values[:, None], patch)
    return functional.interpolate(pooled, scale_factor=patch, mode="nearest")[:, 0]
