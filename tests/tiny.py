"""Classifiers small enough to know their explanations in closed form, as models of the runtime."""

from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

from service.bundle.digest import describe
from service.bundle.load import Bundle
from service.bundle.manifest import FeatureLayer, GraphAvailability, InputSpecification, Manifest
from service.errors import GraphError
from service.graphs.differentiate import features_graph, gradient_graph
from service.graphs.guided import guided_graph
from service.graphs.prepare import prepare
from service.graphs.programs import parse
from service.imaging.resize import Stretch
from service.runtime.device import choose_device
from service.runtime.model import LoadedModel
from service.runtime.programs import Programs

DEVICE = choose_device("cpu")
PROGRAMS = Programs(DEVICE)


def linear_model(weight: NDArray[np.float32], bias: NDArray[np.float32]) -> ModelProto:
    """``logits = sum(weight * image) + bias``; *weight* is ``[C, 3, H, W]``."""
    classes, channels, height, width = weight.shape
    model = parse(f"""
linear (float[N,{channels},{height},{width}] image, float[{classes},{channels * height * width}] weight, float[{classes}] bias)
  => (float[N,{classes}] logits)
{{
  flat = Flatten <axis: int = 1> (image)
  logits = Gemm <transB: int = 1> (flat, weight, bias)
}}""")
    return _with_weights(model, weight=weight.reshape(classes, -1), bias=bias)


def conv_model(kernel: NDArray[np.float32], head: NDArray[np.float32], *, size: int = 8) -> ModelProto:
    """``logits = head @ mean over space of relu(conv(image, kernel))``; kernel ``[K,3,k,k]``, head ``[C,K]``."""
    (maps, _, side, _), classes = kernel.shape, head.shape[0]
    pad = side // 2
    model = parse(f"""
conv (float[N,3,{size},{size}] image, float[{maps},3,{side},{side}] kernel, float[{classes},{maps}] head)
  => (float[N,{classes}] logits)
{{
  convolved = Conv <pads: ints = [{pad}, {pad}, {pad}, {pad}]> (image, kernel)
  features = Relu (convolved)
  pooled = GlobalAveragePool (features)
  flat = Flatten <axis: int = 1> (pooled)
  logits = Gemm <transB: int = 1> (flat, head)
}}""")
    return _with_weights(model, kernel=kernel, head=head)


def load_tiny(
    model: ModelProto, folder: Path, *, task: Literal["single_label", "multi_label"] = "single_label"
) -> LoadedModel:
    """Write the graphs that there can be to *folder* and load them on the CPU, neither verified nor warmed."""
    classifier = prepare(model)
    graphs = {"classify.onnx": classifier, "gradient.onnx": gradient_graph(classifier)}
    with suppress(GraphError):  # a linear model has no feature layer
        graphs["features.onnx"] = features_graph(classifier)
    with suppress(GraphError):  # nor a ReLU
        graphs["guided.onnx"] = guided_graph(classifier)
    for name, graph in graphs.items():
        onnx.save(graph, folder / name)
    _, _, height, width = (axis.dim_value for axis in classifier.graph.input[0].type.tensor_type.shape.dim)
    classes = classifier.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    manifest = Manifest.model_construct(
        name="tiny",
        version="1",
        task=task,
        classes=tuple(f"class {index}" for index in range(classes)),
        input=InputSpecification(height=height, width=width, resize=Stretch()),
        gradient=GraphAvailability(available=True),
        features=FeatureLayer(available=True),
        files={name: describe(folder / name) for name in graphs},
    )
    return LoadedModel(Bundle(manifest, folder, "0" * 64), DEVICE, PROGRAMS)


def _with_weights(model: ModelProto, **weights: NDArray[np.float32]) -> ModelProto:
    inputs = [given for given in model.graph.input if given.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name)
        for name, array in weights.items()
    )
    onnx.checker.check_model(model)
    return model
