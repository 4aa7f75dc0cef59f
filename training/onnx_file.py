"""A network as an ONNX file, and as the reference that its bundle is measured against."""

import copy
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from service.arrays import Image
from service.bundle.framework import FrameworkAnswer
from service.bundle.metadata import drop_metadata
from training.errors import TrainingError

OPSET = 18
"""The exporter's own; others it reaches by conversion."""


def write_onnx(network: nn.Module, path: Path, size: int) -> None:
    """Export a network, its normalisation inside, for batches of any size.

    Args:
        network: Images in [0, 1] to logits.
        path: Where to.
        size: Side of the image.

    Raises:
        TrainingError: torch cannot export it.
    """
    plain = copy.deepcopy(network).cpu().float().eval().to(memory_format=torch.contiguous_format)
    program = torch.onnx.export(
        plain,
        (torch.rand(2, 3, size, size),),
        input_names=["image"],
        output_names=["logits"],
        opset_version=OPSET,
        dynamic_shapes=({0: torch.export.Dim("N")},),
        verbose=False,
    )
    if program is None:
        raise TrainingError("torch exported nothing; the network has operations that ONNX does not know")
    model = program.model_proto
    drop_metadata(model)  # stack traces would make another file of it on every machine
    onnx.save(model, path)


class TorchFramework:
    """The network in torch, in float64 and float32.

    Args:
        network: Images in [0, 1] to logits.
    """

    version = f"PyTorch {torch.__version__}"

    def __init__(self, network: nn.Module) -> None:
        self._single = copy.deepcopy(network).cpu().float().eval().to(memory_format=torch.contiguous_format)
        self._double = copy.deepcopy(self._single).double()

    def __call__(self, image: Image, target: int) -> FrameworkAnswer:
        """Classify and differentiate one image."""
        logits, gradient = _differentiate(self._double, torch.from_numpy(image).double(), target)
        own_logits, own_gradient = _differentiate(self._single, torch.from_numpy(image), target)
        return FrameworkAnswer(
            logits=logits.numpy().astype(np.float64),
            own_logits=own_logits.numpy().astype(np.float32),
            gradient=gradient.numpy().astype(np.float64),
            own_gradient=own_gradient.numpy().astype(np.float32),
        )


def _differentiate(network: nn.Module, image: Tensor, target: int) -> tuple[Tensor, Tensor]:
    leaf = image[None].requires_grad_()
    logits = network(leaf)[0]
    [gradient] = torch.autograd.grad(logits[target], leaf)
    return logits.detach(), gradient[0]
