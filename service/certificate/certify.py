"""Certify the methods of a bundle and write what was found into its manifest."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from service.arrays import Image
from service.bundle.certificate import Certificate, PictureSet
from service.bundle.load import Bundle, load_bundle
from service.bundle.manifest import Manifest
from service.bundle.rewrite import drop_stale_certificates, rewrite
from service.certificate.baselines import audit_baselines
from service.certificate.effort import affordable
from service.certificate.examine import PROTOCOL, Study, examine
from service.certificate.mosaic import composites
from service.certificate.options import filled_in
from service.certificate.pictures import Pictures, read_pictures
from service.certificate.variants import variants
from service.errors import ExplanationError, UnknownMethodError
from service.explain.method import Method, Parameters
from service.explain.methods import METHODS
from service.faithfulness.streams import stream
from service.imaging.resize import resize
from service.runtime.device import Device
from service.runtime.model import GRAPH_FILES, LoadedModel
from service.runtime.plan import MicroBatch

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to measure.

    Args:
        pictures: At most so many.
        composites: With planted evidence, at most so many.
        stages: Of the cascade, at most.
        seed: Of everything random.
    """

    pictures: int = 16
    composites: int = 16
    stages: int = 6
    seed: int = 0


def certify(
    folder: Path,
    pictures: Path,
    device: Device,
    *,
    methods: Sequence[str] = (),
    effort: Effort | None = None,
    force: bool = False,
    report: Report = lambda _: None,
) -> Bundle:
    """Certify methods one after the other; each is in the manifest as soon as it is done.

    So an interrupted run goes on where it stopped: what is there for the same weights, pictures, options, effort,
    seed and protocol is not done again.

    Args:
        folder: The bundle.
        pictures: Folder of pictures such as the model is for. They stay where they are.
        device: Where to compute.
        methods: By name; all that work for the model if empty.
        effort: How much to measure.
        force: Do again what is there.
        report: Told of every stage.

    Returns:
        The bundle, as read back from disk.

    Raises:
        UnknownMethodError: A method does not exist, or not for this model.
        BundleError: The bundle or a picture cannot be read.
        GraphError: The classifier has no parameters.
    """
    effort = effort or Effort()
    for method in drop_stale_certificates(folder):
        report(f"{method}: dropped a certificate of other weights or graphs")
    bundle = load_bundle(folder)
    chosen = _choose(bundle.manifest, methods)
    read = _read(bundle.manifest, pictures, effort)
    missing = [
        (method, parameters)
        for method, parameters in chosen
        if force or not _is_there(bundle.manifest, method, parameters, read.described, effort)
    ]
    report(f"{len(chosen) - len(missing)} of {len(chosen)} methods are certified already")
    if missing:
        _certify(bundle, missing, read, device=device, effort=effort, report=report)
    return load_bundle(folder)


def _certify(
    bundle: Bundle,
    missing: Sequence[tuple[Method, Parameters]],
    read: Pictures,
    *,
    device: Device,
    effort: Effort,
    report: Report,
) -> None:
    manifest = bundle.manifest
    with _study(bundle, read, device, effort, report) as study:
        if not manifest.baselines:
            report("baselines")
            found = audit_baselines(study.variants.trained, study.images, seed=effort.seed)
            manifest = manifest.model_copy(update={"baselines": found})
            rewrite(bundle.folder, manifest)
        for number, (method, parameters) in enumerate(missing, start=1):
            where = f"{number}/{len(missing)} {method.name}"
            try:
                certificate = examine(
                    method,
                    parameters,
                    study,
                    files_sha256=manifest.files_sha256,
                    report=partial(_prefixed, report, where),
                )
            except ExplanationError as error:
                report(f"{where}: not certified: {error.detail}")
                continue
            report(f"{where}: {certificate.verdict}. {certificate.reason}")
            asked = {"stages": effort.stages, "composites": effort.composites}
            manifest = _with(manifest, method.name, certificate.model_copy(update=asked))
            rewrite(bundle.folder, manifest)


def _prefixed(report: Report, where: str, stage: str) -> None:
    report(f"{where}: {stage}")


@contextmanager
def _study(bundle: Bundle, read: Pictures, device: Device, effort: Effort, report: Report) -> Iterator[Study]:
    with variants(bundle, device, stages=effort.stages, seed=effort.seed, report=report) as made:
        classes = tuple(predicted(made.trained, image) for image in read.images)
        report(f"{len(read.images)} pictures of {len(set(classes))} predicted classes")
        planted, tried = composites(
            made.trained,
            read.images,
            classes,
            count=effort.composites,
            random=stream(effort.seed, "composites"),
        )
        report(f"{len(planted)} composites with planted evidence, of {tried} tried")
        yield Study(made, read.images, classes, planted, tried, read.described, effort.seed)


def predicted(model: LoadedModel, image: Image) -> int:
    """Classify ``[3, H, W]``; the index of the largest logit."""
    logits = model.run(MicroBatch(model.device.upload(image[None]), 1))["logits"].numpy()[0]
    return int(np.argmax(logits))


def _choose(manifest: Manifest, names: Sequence[str]) -> list[tuple[Method, Parameters]]:
    available = {
        name: method for name, method in METHODS.items() if GRAPH_FILES[method.direction] in manifest.files
    }
    unknown = [name for name in names if name not in available]
    if unknown:
        raise UnknownMethodError(
            f"{unknown[0]!r} is no method of this model. Methods are: {', '.join(available)}.",
            where="methods",
        )
    size = (manifest.input.height, manifest.input.width)
    return [(available[name], affordable(available[name], *size)) for name in names or available]


def _read(manifest: Manifest, folder: Path, effort: Effort) -> Pictures:
    policy, size = manifest.input.resize, manifest.input
    return read_pictures(
        folder,
        lambda picture: resize(picture, policy, height=size.height, width=size.width).image,
        count=effort.pictures,
        seed=effort.seed,
    )


def _is_there(
    manifest: Manifest, method: Method, parameters: Parameters, pictures: PictureSet, effort: Effort
) -> bool:
    found = manifest.certificates.get(method.name)
    return found is not None and (
        found.protocol,
        found.seed,
        found.stages,
        found.composites,
        found.pictures,
        filled_in(method, found.parameters),
    ) == (
        PROTOCOL,
        effort.seed,
        effort.stages,
        effort.composites,
        pictures,
        parameters.model_dump(mode="json"),
    )


def _with(manifest: Manifest, method: str, certificate: Certificate) -> Manifest:
    """Add a certificate, in the order in which the methods are listed, and check the whole again."""
    certificates = {**manifest.certificates, method: certificate}
    ordered = {name: certificates[name] for name in METHODS if name in certificates}
    fields = manifest.model_dump(mode="json") | {
        "format_version": 2,
        "certificates": {name: one.model_dump(mode="json") for name, one in ordered.items()},
    }
    return Manifest.model_validate(fields)
