"""Models as the service loads them: the project's bundles, and any classifier."""

from pathlib import Path

import numpy as np
import onnx

from service.arrays import Picture
from service.bundle.digest import describe
from service.bundle.load import Bundle, load_bundle
from service.bundle.manifest import CLASSIFY, InputSpecification, Manifest
from service.explain.subject import Subject
from service.graphs.prepare import prepare
from service.imaging.resize import Stretch, resize
from service.runtime.device import choose_device
from service.runtime.model import LoadedModel
from service.runtime.plan import MicroBatch
from service.runtime.programs import Programs

MODELS = Path(__file__).parents[1] / "models"


def load_classifier(exported: Path, folder: Path, *, threads: int = 1) -> LoadedModel:
    """Load any classifier as it is, without gradients; *folder* takes its prepared graph."""
    prepared = prepare(onnx.load(exported))
    onnx.save(prepared, folder / CLASSIFY)
    _, _, height, width = (axis.dim_value for axis in prepared.graph.input[0].type.tensor_type.shape.dim)
    classes = prepared.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    manifest = Manifest.model_construct(
        name=exported.stem,
        version="1",
        task="single_label",
        classes=tuple(f"class {index}" for index in range(classes)),
        input=InputSpecification(height=height, width=width, resize=Stretch()),
        files={CLASSIFY: describe(folder / CLASSIFY)},
    )
    device = choose_device("cpu", threads=threads)
    model = LoadedModel(Bundle(manifest, folder, "0" * 64), device, Programs(device))
    model.warm_up()
    return model


def load_model(name: str, *, threads: int = 1, folder: Path = MODELS) -> LoadedModel:
    """Load version 1 of a bundle on the CPU, and measure its micro-batches."""
    device = choose_device("cpu", threads=threads)
    model = LoadedModel(load_bundle(folder / name / "1"), device, Programs(device))
    model.warm_up()
    return model


def subject_of(model: LoadedModel, picture: Picture, *, seed: int = 0) -> Subject:
    """What the model predicts of a picture, to be explained."""
    view = resize(picture, model.manifest.input.resize, height=model.height, width=model.width)
    image = model.device.upload(view.image[None])
    logits = model.run(MicroBatch(image, 1))["logits"].numpy()[0]
    return Subject(model, view.image, image, int(np.argmax(logits)), None, seed)
