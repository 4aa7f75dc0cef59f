"""Build a bundle from an ONNX classifier."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime
from onnx import ModelProto
from pydantic import ValidationError

from service.arrays import Image
from service.bundle.card import card_of
from service.bundle.digest import describe, sha256_of
from service.bundle.evidence import Parity
from service.bundle.framework import Framework
from service.bundle.graphs import Graphs, differentiate, make_classifier, with_extras
from service.bundle.load import Bundle, load_bundle
from service.bundle.manifest import (
    CARD,
    MANIFEST,
    WEIGHTS,
    FeatureLayer,
    FileEntry,
    GraphAvailability,
    InputSpecification,
    Manifest,
    Source,
    first_problem,
)
from service.bundle.measure import Report, measure
from service.bundle.parity import Effort
from service.bundle.place import building
from service.bundle.probe import probe_image
from service.bundle.recipe import Recipe
from service.bundle.weights import write_graphs
from service.errors import BundleBuildError
from service.graphs.read import read_model

PROBES = 4
"""Images to measure on where none are given."""


@dataclass(frozen=True, slots=True)
class Oracles:
    """What a new bundle is measured against, besides the file it is made from.

    Args:
        directions: Random directions of finite differences on each of two images; 0 switches them off.
        framework: The model in its framework.
        images: ``[3, H, W]`` each, at the model's size; made up where none are given.
    """

    directions: int = 2
    framework: Framework | None = None
    images: Sequence[Image] = ()


def build_bundle(
    source: Path,
    recipe: Recipe,
    models: Path,
    *,
    oracles: Oracles | None = None,
    force: bool = False,
    report: Report = lambda _: None,
) -> Bundle:
    """Build, measure, write and verify a bundle.

    A classifier that cannot be differentiated becomes a bundle all the same; its manifest says why the gradient
    methods are off. On the same machine the same call gives the same bytes.

    Args:
        source: The ONNX file.
        recipe: What the file does not say.
        models: The bundle goes to ``<models>/<name>/<version>``.
        oracles: What to measure against.
        force: Replace a bundle of that name and version.
        report: Told of every stage.

    Returns:
        The bundle, as read back from disk.

    Raises:
        GraphError: The file cannot be read, is no image classifier, or ONNX Runtime cannot run it.
        BundleBuildError: The recipe does not fit the file, the destination is taken, or what was built does not
            reproduce the file.
    """
    destination = models / recipe.name / recipe.version
    with building(destination, force=force) as folder:
        report(f"reading {source.name}")
        original = read_model(source)
        graphs, parity = _make(original, recipe, oracles or Oracles(), report)
        report("writing")
        write_bundle(folder, graphs, lambda files: _manifest(source, recipe, graphs, parity, files))
    return load_bundle(destination)


def write_bundle(
    folder: Path, graphs: Graphs, manifest_of: Callable[[Mapping[str, FileEntry]], Manifest]
) -> None:
    """Write the files of a bundle and verify them as a reader will.

    Args:
        folder: Empty, and named as the bundle's must be.
        graphs: The graphs; their weights are moved out of them.
        manifest_of: Makes the manifest, given the digests of the other files.
    """
    names = write_graphs(graphs.by_file, folder, WEIGHTS)
    manifest = manifest_of({name: describe(folder / name) for name in names})
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    (folder / CARD).write_text(card_of(manifest), encoding="utf-8")
    load_bundle(folder)


def availability(graphs: Graphs) -> tuple[GraphAvailability, FeatureLayer]:
    """Say for a manifest which differentiated graphs there are, and why one is not."""
    return (
        GraphAvailability(available=graphs.gradient is not None, reason=graphs.why_no_gradient),
        FeatureLayer(
            available=graphs.features is not None, reason=graphs.why_no_features, layer=graphs.feature_layer
        ),
    )


def tool_versions() -> dict[str, str]:
    """Name what every bundle is built with."""
    return {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}


def _make(original: ModelProto, recipe: Recipe, oracles: Oracles, report: Report) -> tuple[Graphs, Parity]:
    report("preparing the classifier")
    graphs = make_classifier(original, recipe)
    report(f"differentiating {len(graphs.classify.graph.node)} nodes")
    graphs = with_extras(differentiate(graphs, recipe.feature_layer), recipe.extras)
    images = oracles.images or [probe_image(*graphs.size, seed) for seed in range(PROBES)]
    effort = Effort(images, oracles.directions)
    graphs, parity = measure(
        graphs, original, recipe, effort=effort, framework=oracles.framework, report=report
    )
    for what, reason in (("gradient", graphs.why_no_gradient), ("features", graphs.why_no_features)):
        if reason:
            report(f"no {what} graph: {reason}")
    return graphs, parity


def _manifest(
    source: Path, recipe: Recipe, graphs: Graphs, parity: Parity, files: Mapping[str, FileEntry]
) -> Manifest:
    height, width = graphs.size
    gradient, features = availability(graphs)
    try:
        return Manifest(
            name=recipe.name,
            version=recipe.version,
            created=recipe.created,
            task=recipe.task,
            classes=recipe.classes,
            input=InputSpecification(height=height, width=width, resize=recipe.resize),
            opset=graphs.opset,
            files=files,
            gradient=gradient,
            features=features,
            source=Source(
                origin=recipe.origin,
                licence=recipe.licence,
                file=source.name,
                sha256=sha256_of(source),
                classes_origin=recipe.classes_origin,
            ),
            provenance=recipe.provenance,
            parity=parity,
            evaluation=recipe.evaluation,
            tools={**tool_versions(), **recipe.tools},
        )
    except ValidationError as error:
        raise BundleBuildError(first_problem(error)) from error
