"""Small vision transformers of torchvision, and how they come as ONNX."""

import io
import warnings
from typing import TypeVar

import onnx
import torch
from onnx import ModelProto
from torchvision.models import SwinTransformer, VisionTransformer

from service.graphs.prepare import prepare

T = TypeVar("T", bound=torch.nn.Module)

SIDE, PATCH, HEADS, WIDTH, BLOCKS, CLASSES = 32, 8, 2, 16, 3, 5


def transformer(kind: type[VisionTransformer] = VisionTransformer) -> VisionTransformer:
    """Make a ViT whose attention is far from uniform."""
    model = kind(
        image_size=SIDE,
        patch_size=PATCH,
        num_layers=BLOCKS,
        num_heads=HEADS,
        hidden_dim=WIDTH,
        mlp_dim=32,
        num_classes=CLASSES,
    )
    return _shaken(model)


def windowed() -> SwinTransformer:
    """Make a Swin transformer of two stages."""
    return _shaken(SwinTransformer([4, 4], 8, [2, 2], [2, 2], [4, 4], num_classes=CLASSES))


def exported(model: torch.nn.Module) -> ModelProto:
    """Export and prepare a model, batch open."""
    written = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's deprecations
        torch.onnx.export(
            model,
            (torch.rand(2, 3, SIDE, SIDE),),
            written,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=17,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
        )
    return prepare(onnx.load_from_string(written.getvalue()))


def _shaken(model: T) -> T:
    """Its own start is near zero: attention would be uniform and every block nearly the identity."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.4, generator=generator)
    return model.eval()
