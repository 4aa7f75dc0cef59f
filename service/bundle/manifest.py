"""What a bundle says about itself: ``manifest.json``, format version 2.

Version 1 had no certificates, and is read as a bundle without any.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AwareDatetime, Field, JsonValue, ValidationError, model_validator

from service.bundle.certificate import Certificate, digest_of
from service.bundle.evidence import BaselineAudit, Evaluation, Parity, Part
from service.errors import ManifestError
from service.imaging.resize import ResizePolicy

FORMAT_VERSION = 2
READABLE_VERSIONS = (1, FORMAT_VERSION)
MANIFEST = "manifest.json"
CARD = "card.md"
WEIGHTS = "weights.bin"
CLASSIFY = "classify.onnx"
GRADIENT = "gradient.onnx"
FEATURES = "features.onnx"
GUIDED = "guided.onnx"
ATTENTION = "attention.onnx"
EXTRAS = {"guided": GUIDED, "attention": ATTENTION}
"""Graphs that a bundle holds on request only, by the word that asks for them."""

IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
Identifier: TypeAlias = Annotated[str, Field(pattern=f"^{IDENTIFIER.pattern}$")]
"""A name that is safe as a folder and in a URL."""

FileName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,126}$")]
"""A plain file name: no separator and no leading dot, so it cannot point outside the bundle's folder."""

Sha256: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Task: TypeAlias = Literal["single_label", "multi_label"]


class FileEntry(Part):
    """A file of the bundle."""

    bytes: int = Field(ge=0, description="Size in bytes.")
    sha256: Sha256 = Field(description="SHA-256 of the content, in hexadecimal.")


class InputSpecification(Part):
    """The image that the graphs take: float32 ``[N, 3, height, width]``, RGB in [0, 1]."""

    height: int = Field(ge=1, description="Rows, in pixels.")
    width: int = Field(ge=1, description="Columns, in pixels.")
    resize: ResizePolicy = Field(description="How a picture of another size becomes such an image.")


class GraphAvailability(Part):
    """Whether the bundle holds a differentiated graph."""

    available: bool = Field(description="Whether the graph is there.")
    reason: str = Field("", description="Why it is not; empty if it is.")

    @model_validator(mode="after")
    def _has_a_reason(self) -> Self:
        if self.available == bool(self.reason):
            raise ValueError("a graph is either available or has a reason for not being so")
        return self


class FeatureLayer(GraphAvailability):
    """Whether ``features.onnx`` is there, and which tensor it differentiates for."""

    layer: str = Field("", description="Name of the feature tensor in classify.onnx; empty if there is none.")


class Source(Part):
    """Where the model comes from and on what terms."""

    origin: str = Field(min_length=1, description="Who published the model, and where.")
    licence: str = Field(min_length=1, description="SPDX expression of the weights' licence, or `unknown`.")
    file: str = Field(min_length=1, description="Name of the ONNX file that was built from.")
    sha256: Sha256 = Field(description="SHA-256 of that file.")
    classes_origin: str = Field("", description="Where the class names come from, and their licence.")


class Provenance(Part):
    """How the model was trained; absent for a file that somebody brings."""

    arm: str = Field(min_length=1, description="Training arm, such as `standard` or `scaat`.")
    data: str = Field(min_length=1, description="Training data and its split.")
    code_version: str = Field(min_length=1, description="Version of the training code, such as a commit.")
    seed: int | None = Field(None, description="Seed of the run; null if it was not recorded.")
    hyper_parameters: Mapping[str, JsonValue] = Field(
        default_factory=dict, description="Every hyper-parameter by its name in full."
    )


class Manifest(Part):
    """All that is known of a bundle. Every file it names is verified before it is used."""

    format_version: Literal[1, 2] = Field(2, description="Version of this format.")
    name: Identifier = Field(description="Name of the model; the bundle lies in models/<name>/<version>.")
    version: Identifier = Field(description="Version of the model.")
    created: AwareDatetime = Field(description="When it was built.")
    task: Task = Field(
        description="single_label: softmax over the logits; multi_label: a sigmoid of each logit."
    )
    classes: tuple[str, ...] = Field(description="Labels in the order of the logits.")
    input: InputSpecification = Field(description="The image that the graphs take.")
    opset: int = Field(ge=1, description="Version of the standard ONNX operators in all graphs.")
    files: Mapping[FileName, FileEntry] = Field(description="Every file that is read, by its name.")
    gradient: GraphAvailability = Field(description="gradient.onnx: the gradient with respect to the image.")
    features: FeatureLayer = Field(description="features.onnx: the gradient with respect to a feature layer.")
    source: Source = Field(description="Origin and licence, and the file that was built from.")
    provenance: Provenance | None = Field(None, description="How it was trained, if that is known.")
    parity: Parity = Field(description="How closely the graphs reproduce what they were made from.")
    evaluation: Evaluation | None = Field(None, description="How well it classifies, if that was measured.")
    certificates: Mapping[str, Certificate] = Field(
        default_factory=dict,
        description="Sanity checks of explanation methods on this model, by method.",
    )
    baselines: Mapping[str, BaselineAudit] = Field(
        default_factory=dict, description="Whether the baselines of removal operators are neutral, by name."
    )
    tools: Mapping[str, str] = Field(
        default_factory=dict, description="Versions of the software that built the bundle."
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        check_classes(self.classes, self.task)
        self._check_certificates()
        for name, audit in self.baselines.items():
            if audit.predicted_class >= len(self.classes):
                raise ValueError(
                    f"baseline {name} predicts class {audit.predicted_class}, which does not exist"
                )
        graphs = {
            CLASSIFY: True,
            GRADIENT: self.gradient.available,
            FEATURES: self.features.available,
        }
        for name, expected in graphs.items():
            if (name in self.files) != expected:
                raise ValueError(
                    f"files {'lacks' if expected else 'lists'} {name}, against what the manifest says"
                )
        allowed = [*graphs, *EXTRAS.values(), WEIGHTS]
        unknown = sorted(set(self.files) - set(allowed))
        if unknown:
            raise ValueError(f"files lists {unknown[:3]}; expected only {allowed}")
        return self

    @property
    def files_sha256(self) -> str:
        """Digest of the weights and graphs, which certificates are bound to."""
        return digest_of({name: entry.sha256 for name, entry in self.files.items()})

    def _check_certificates(self) -> None:
        if self.certificates and self.format_version == 1:
            raise ValueError("format_version 1 has no certificates")
        for method, certificate in self.certificates.items():
            if certificate.files_sha256 != self.files_sha256:
                raise ValueError(
                    f"the certificate of {method} is of other weights or graphs; remove it, or certify again "
                    "with `python -m service.bundle certify`"
                )

    def to_json(self) -> str:
        """Write the manifest as it stands in ``manifest.json``."""
        return self.model_dump_json(indent=2) + "\n"


def check_classes(classes: Sequence[str], task: Task) -> None:
    """Refuse class names that cannot name a target.

    Args:
        classes: Labels in the order of the logits.
        task: What the model decides.

    Raises:
        ValueError: A label is empty or repeated, or there are too few for the task.
    """
    repeated = [label for label, count in Counter(classes).items() if count > 1]
    if repeated:
        raise ValueError(f"classes repeat {repeated[:3]}; a label must name one class")
    if not all(label.strip() for label in classes):
        raise ValueError("classes hold an empty label")
    fewest = 2 if task == "single_label" else 1
    if len(classes) < fewest:
        raise ValueError(f"a {task} model has at least {fewest} classes; found {len(classes)}")


def read_manifest(path: Path) -> Manifest:
    """Read ``manifest.json``.

    Args:
        path: The file.

    Returns:
        The manifest, validated; nothing it names has been looked at yet.

    Raises:
        ManifestError: The file is missing, no JSON object, of another format version, or has a field that is
            missing, unknown or out of range.
    """
    return parse_manifest(read_bytes(path), where=str(path))


def parse_manifest(text: bytes, *, where: str) -> Manifest:
    """Validate the content of a ``manifest.json``.

    Args:
        text: The file's content.
        where: What to call it in an error.

    Returns:
        The manifest.

    Raises:
        ManifestError: As for :func:`read_manifest`.
    """
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise ManifestError(f"{where} is not JSON: {error}; rebuild the bundle", where=where) from error
    if not isinstance(fields, dict):
        raise ManifestError(f"{where} holds a JSON {type(fields).__name__}; expected an object", where=where)
    found = fields.get("format_version")
    if found not in READABLE_VERSIONS or isinstance(found, bool):
        raise ManifestError(
            f"{where} has format_version {found!r}; this service reads {', '.join(map(str, READABLE_VERSIONS))}. "
            "Rebuild the bundle, or run the version of the service that wrote it.",
            where=where,
        )
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise ManifestError(f"{where}: {first_problem(error)}; rebuild the bundle", where=where) from error


def read_bytes(path: Path) -> bytes:
    """Read the file of a manifest as it is; its digest names the bundle.

    Raises:
        ManifestError: The file is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ManifestError(
            f"{path} cannot be read ({error.strerror}); a bundle is a folder with a {MANIFEST}",
            where=str(path),
        ) from error


def first_problem(error: ValidationError) -> str:
    """Name the field, what is wrong with it and what was found; one problem is enough to act on."""
    problem = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in problem["loc"]) or "manifest"
    found = "" if isinstance(problem["input"], dict) else f" (found {problem['input']!r:.80})"
    more = "" if error.error_count() == 1 else f", and {error.error_count() - 1} more problems"
    return f"{field}: {problem['msg']}{found}{more}"
