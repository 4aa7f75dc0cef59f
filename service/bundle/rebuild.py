"""Differentiate the classifier of a bundle anew, as after an upgrade of saliserve."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from onnx import ModelProto

from service.bundle.build import PROBES, availability, tool_versions, write_bundle
from service.bundle.evidence import FrameworkParity, Parity
from service.bundle.graphs import Graphs, differentiate, with_extras
from service.bundle.load import Bundle, load_bundle
from service.bundle.manifest import CLASSIFY, EXTRAS, FileEntry, Manifest
from service.bundle.measure import Differences, Report, check
from service.bundle.parity import Effort
from service.bundle.place import building
from service.bundle.probe import probe_image
from service.graphs.read import read_model


def rebuild_bundle(
    folder: Path, *, extras: Iterable[str] = (), directions: int = 2, report: Report = lambda _: None
) -> Bundle:
    """Write ``gradient.onnx`` and ``features.onnx`` of a bundle anew, in place.

    The classifier stays as it is, and so does what the manifest says about it: name, version, time, source, training,
    evaluation. The feature layer stays, too, and so do extra graphs. Finite differences are measured again. What was measured with the old
    gradients and cannot be measured here is dropped: the framework's verdict on them, and the methods' certificates.

    Args:
        folder: ``<models>/<name>/<version>``.
        extras: Graphs to add that a bundle holds on request only: ``guided``, ``attention``.
        directions: Random directions of finite differences on each of two images; 0 switches them off.
        report: Told of every stage.

    Returns:
        The bundle, as read back from disk. If anything fails, the old one stays.

    Raises:
        BundleError: The folder holds no intact bundle.
        BundleBuildError: It cannot be written to.
        GraphError: The classifier has nothing for an extra graph to follow.
    """
    old = load_bundle(folder).manifest
    classify = read_model(folder / CLASSIFY)
    report(f"differentiating {len(classify.graph.node)} nodes")
    wanted = [word for word, name in EXTRAS.items() if name in old.files or word in extras]
    graphs = with_extras(differentiate(Graphs(classify), _layer(old, classify)), wanted)
    images = [probe_image(*graphs.size, seed) for seed in range(PROBES)]
    graphs, differences = check(graphs, Effort(images, directions), report)
    with building(folder, force=True) as place:
        report("writing")
        write_bundle(place, graphs, lambda files: _renewed(old, graphs, differences, files))
    return load_bundle(folder)


def _layer(manifest: Manifest, classify: ModelProto) -> str | None:
    """Keep the feature layer; older bundles name one that was made from tokens, which has to be found again."""
    layer = manifest.features.layer
    return layer if any(layer in node.output for node in classify.graph.node) else None


def _renewed(
    old: Manifest, graphs: Graphs, differences: Differences, files: Mapping[str, FileEntry]
) -> Manifest:
    gradient, features = availability(graphs)
    parity = Parity(
        outputs=old.parity.outputs,
        gradient=differences.gradient,
        feature_gradient=differences.feature_gradient,
        why_unchecked=differences.why_unchecked,
        framework=_of_the_classifier(old.parity.framework),
    )
    changed = {
        "files": files,
        "gradient": gradient,
        "features": features,
        "parity": parity,
        "certificates": {},
        "tools": {**old.tools, **tool_versions()},
    }
    return Manifest(**(dict(old) | changed))


def _of_the_classifier(parity: FrameworkParity | None) -> FrameworkParity | None:
    if parity is None:
        return None
    return FrameworkParity(framework=parity.framework, logits=parity.logits, own_logits=parity.own_logits)
