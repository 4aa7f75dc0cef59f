"""Networks that everybody knows."""

from pathlib import Path

import torch
import torchvision

from benchmarks.models import load_classifier
from service.runtime.model import LoadedModel
from training.onnx_file import write_onnx


def resnet18(folder: Path, *, threads: int = 1) -> LoadedModel:
    """Export torchvision's ResNet-18, its weights at random, for images of 224 pixels: its speed is the same."""
    torch.manual_seed(0)
    write_onnx(torchvision.models.resnet18(), folder / "exported.onnx", 224)
    return load_classifier(folder / "exported.onnx", folder, threads=threads)
