"""Plain PyTorch, written as well as one reasonably writes it by hand: eager and channels_last."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from benchmarks.peers.architectures import load
from benchmarks.peers.case import CELLS, DEVIATION, KEEP, WINDOW, Case, Contender, Run

PACKAGE = "torch"

Network = Callable[[Tensor], Tensor]

_STYLES = ("eager", "channels_last")
# Divides the 169 windows: a compiled network would be compiled again for a shorter last batch.
_OCCLUDED = 13
_MASKED = 20
_POINTS = 10
_NOISY = 8


def network_of(case: Case, style: str) -> tuple[Network, Tensor]:
    """Load the network and the image, ``[1, 3, H, W]``, in a style."""
    torch.set_num_threads(case.threads)
    network = load(case.architecture, case.folder / "weights.pt")
    image = torch.from_numpy(case.image)[None]
    if style != "eager":
        network, image = (
            network.to(memory_format=torch.channels_last),
            image.contiguous(memory_format=torch.channels_last),
        )
    return (torch.compile(network, dynamic=False) if style == "compiled" else network), image


def _gradients(network: Network, images: Tensor, target: int) -> Tensor:
    images = images.detach().requires_grad_()
    [gradient] = torch.autograd.grad(network(images)[:, target].sum(), images)
    return gradient


def gradient(style: str, case: Case) -> Run:
    """Of the logit with respect to the pixels."""
    network, image = network_of(case, style)
    return lambda: _gradients(network, image, case.target)[0].abs().amax(0).numpy()


def _integrated_gradients(style: str, case: Case) -> Run:
    """Midpoint rule from black."""
    network, image = network_of(case, style)
    steps = case.counts["steps"]

    def run() -> np.ndarray[Any, Any]:
        positions = (torch.arange(steps) + 0.5) / steps
        total = sum(
            _gradients(network, chunk[:, None, None, None] * image, case.target).sum(0)
            for chunk in positions.split(_POINTS)
        )
        return (image[0] * total / steps).sum(0).numpy()

    return run


def _smooth_grad(style: str, case: Case) -> Run:
    network, image = network_of(case, style)
    samples = case.counts["samples"]

    def run() -> np.ndarray[Any, Any]:
        total = torch.zeros_like(image[0])
        for start in range(0, samples, _NOISY):
            noisy = image.repeat(min(_NOISY, samples - start), 1, 1, 1)
            noisy = noisy + DEVIATION * torch.randn_like(noisy)
            total += _gradients(network, noisy, case.target).sum(0)
        return (total / samples).abs().amax(0).numpy()

    return run


def occlusion(style: str, case: Case) -> Run:
    """In batches."""
    network, image = network_of(case, style)
    side, stride = image.shape[-1], case.counts["stride"]
    corners = [
        (top, left)
        for top in range(0, side - WINDOW + 1, stride)
        for left in range(0, side - WINDOW + 1, stride)
    ]

    @torch.inference_mode()
    def run() -> np.ndarray[Any, Any]:
        clear = network(image)[0, case.target]
        fall = torch.zeros(side, side)
        count = torch.zeros(side, side)
        for start in range(0, len(corners), _OCCLUDED):
            chunk = corners[start : start + _OCCLUDED]
            images = image.repeat(len(chunk), 1, 1, 1)
            for one, (top, left) in zip(images, chunk, strict=True):
                one[:, top : top + WINDOW, left : left + WINDOW] = 0
            for value, (top, left) in zip(network(images)[:, case.target], chunk, strict=True):
                fall[top : top + WINDOW, left : left + WINDOW] += clear - value
                count[top : top + WINDOW, left : left + WINDOW] += 1
        return (fall / count.clamp(min=1)).numpy()

    return run


def _masks(count: int, side: int, generator: torch.Generator) -> Iterator[Tensor]:
    """As the authors of RISE make them: enlarged by a cell, then cropped at random."""
    cell = -(-side // CELLS)
    for start in range(0, count, _MASKED):
        number = min(_MASKED, count - start)
        grids = (torch.rand(number, 1, CELLS, CELLS, generator=generator) < KEEP).float()
        large = F.interpolate(grids, size=(CELLS + 1) * cell, mode="bilinear", align_corners=False)
        shifts = torch.randint(0, cell, (number, 2), generator=generator).tolist()
        yield torch.stack(
            [
                one[:, top : top + side, left : left + side]
                for one, (top, left) in zip(large, shifts, strict=True)
            ]
        )


def _rise(style: str, case: Case) -> Run:
    network, image = network_of(case, style)
    count = case.counts["masks"]

    @torch.inference_mode()
    def run() -> np.ndarray[Any, Any]:
        total = torch.zeros(image.shape[-2:])
        for masks in _masks(count, image.shape[-1], torch.Generator().manual_seed(0)):
            probability = network(image * masks).softmax(1)[:, case.target]
            total += torch.einsum("n,nhw->hw", probability, masks[:, 0])
        return (total / count / KEEP).numpy()

    return run


def _deletion_and_insertion(style: str, case: Case) -> Run:
    network, image = network_of(case, style)
    intervals, saliency = case.counts["intervals"], torch.from_numpy(case.saliency).ravel()

    @torch.inference_mode()
    def run() -> np.ndarray[Any, Any]:
        rank = torch.empty(len(saliency), dtype=torch.long)
        rank[saliency.argsort(descending=True)] = torch.arange(len(saliency))
        counts = torch.linspace(0, len(saliency), intervals + 1).round()
        gone = (rank[None] < counts[:, None]).reshape(-1, 1, *image.shape[-2:])
        curves = []
        for keep in (~gone, gone):
            chunks = [network(image * chunk).softmax(1)[:, case.target] for chunk in keep.split(_MASKED)]
            curves.append(torch.cat(chunks))
        return torch.stack(curves).numpy()

    return run


def in_styles(work: Callable[[str, Case], Run], *styles: str) -> dict[str, Contender]:
    """Name a work in every style."""
    return {f"PyTorch {style}": partial(work, style) for style in styles or _STYLES}


WORKS: dict[str, dict[str, Contender]] = {
    "gradient": in_styles(gradient),
    "integrated_gradients": in_styles(_integrated_gradients),
    "smooth_grad": in_styles(_smooth_grad),
    "occlusion": in_styles(occlusion),
    "rise": in_styles(_rise),
    "deletion_insertion": in_styles(_deletion_and_insertion),
}
