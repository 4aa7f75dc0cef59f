"""What the service answers, as frozen dataclasses. ``raw`` always holds the whole answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saliserve_client import arrays, notebook
from saliserve_client.errors import UnexpectedAnswerError
from saliserve_client.files import write_whole
from saliserve_client.measures import Measures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Raw = Mapping[str, Any]
"""An answer as it came, decoded from JSON."""


@dataclass(frozen=True)
class Progress:
    """How far the service has come with a request.

    Args:
        stage: ``waiting`` for the device, ``predict``, ``explain`` or ``receipt``.
        forwards_done: Forward passes that have been run.
        forwards_planned: How many it will be in the end, at most: methods may converge before.
        remaining_ms: Milliseconds until then at the pace so far; None before there is a pace.
    """

    stage: str
    forwards_done: int
    forwards_planned: int
    remaining_ms: float | None


@dataclass(frozen=True)
class ModelIdentity:
    """Which model answered, and on what.

    Args:
        sha256: Digest of its files; the same digest is the same model.
        provider: The ONNX Runtime execution provider.
    """

    name: str
    version: str
    sha256: str
    provider: str


@dataclass(frozen=True)
class RankedClass:
    """One class of a prediction, with its probability in [0, 1]."""

    index: int
    label: str
    probability: float


@dataclass(frozen=True)
class ClassName:
    """A class of the model."""

    index: int
    label: str


@dataclass(frozen=True)
class Target(ClassName):
    """What was explained.

    Args:
        scalar: The number whose change the map accounts for: ``logit``, or ``logit_difference`` to a contrast.
    """

    scalar: str


@dataclass(frozen=True)
class Region:
    """A rectangle in pixels of the upright picture; it reaches beyond it where the model's policy pads."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Picture:
    """The size of the picture after EXIF rotation, and the part of it that model and map cover."""

    width: int
    height: int
    seen: Region


@dataclass(frozen=True)
class Prediction:
    """The most probable classes, best first."""

    top_k: tuple[RankedClass, ...]
    model: ModelIdentity
    picture: Picture
    timings_ms: Mapping[str, float]
    warnings: tuple[str, ...]
    request_id: str
    raw: Raw = field(repr=False, compare=False)

    @property
    def best(self) -> RankedClass:
        """The most probable class."""
        return self.top_k[0]

    @property
    def label(self) -> str:
        """Label of the most probable class."""
        return self.best.label

    @property
    def probability(self) -> float:
        """Probability of the most probable class."""
        return self.best.probability

    def _repr_html_(self) -> str:
        return notebook.prediction((one.label, one.probability) for one in self.top_k)


@dataclass(frozen=True)
class OperatorScore:
    """How the map fared under one way of removing pixels.

    Args:
        name: The removal operator.
        counted: Whether the verdict rests on it; it does not where nothing is at stake under it.
        auc_morf: Area under the curve when the most relevant cells go first; low is good.
        auc_lerf: Area under the curve when the least relevant go first; high is good.
        srg: ``auc_lerf - auc_morf``; 0 is chance, larger is better.
        z_score: Deviations by which the gain, in log-odds, exceeds chance on the same image.
        neutral: Whether the fully removed image says nothing to the model.
        raw: Everything the service says of it, curves included.
    """

    name: str
    counted: bool
    auc_morf: float
    auc_lerf: float
    srg: float
    z_score: float | None
    neutral: bool
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class ReceiptSummary:
    """The counted operators together.

    Args:
        srg_mean: Mean SRG; 0 is chance.
        z_score: Of the mean gain in log-odds, in deviations of chance.
        p_value: How often a random order would do at least as well.
        gain: Mean SRG over the probability at stake: 0 is chance, near 1 the best conceivable.
    """

    srg_mean: float
    z_score: float
    p_value: float
    gain: float


@dataclass(frozen=True)
class Receipt:
    """How faithful a map is to the model on this image, measured.

    Args:
        verdict: ``faithful``, ``mixed``, ``indistinguishable from random`` or ``cannot be scored``.
        reason: The verdict in a sentence.
        protocol: Name and version of the measuring protocol.
        operators: The panel.
        controls: Trivial maps scored the same way, for comparison.
        summary: Numbers over the panel; None if the map cannot be scored.
        measures: What else was asked for; none of it decides the verdict.
    """

    verdict: str
    reason: str
    protocol: str
    operators: tuple[OperatorScore, ...]
    controls: Raw = field(compare=False)
    summary: ReceiptSummary | None
    measures: Measures
    warnings: tuple[str, ...]
    raw: Raw = field(repr=False, compare=False)

    @property
    def complete(self) -> bool:
        """Whether all operators of the protocol were finished before any deadline."""
        return len(self.operators) == len(self.raw["protocol"].get("operators", self.operators))

    def _repr_html_(self) -> str:
        rows = (
            notebook.Row(one.name, one.auc_morf, one.auc_lerf, one.srg, one.z_score) for one in self.operators
        )
        return notebook.receipt(self.verdict, self.reason, rows)


@dataclass(frozen=True)
class EncodedMap:
    """A saliency map as it travelled.

    Args:
        encoding: ``png16`` or ``npy``.
        shape: ``(height, width)``, the model's input size.
        minimum: The smallest value.
        maximum: The largest value.
        data: The encoded bytes: a 16-bit grey PNG or an npy file.
    """

    encoding: str
    shape: tuple[int, ...]
    minimum: float
    maximum: float
    data: bytes = field(repr=False)

    @property
    def suffix(self) -> str:
        """What the name of a file with :attr:`data` should end in."""
        return ".npy" if self.encoding == "npy" else ".png"

    def array(self) -> NDArray[np.float32]:
        """Decode: ``[height, width]``, signed; larger is more evidence for the target.

        Raises:
            MissingPackageError: numpy is not installed.
        """
        decoded = arrays.decode(self.encoding, self.data, minimum=self.minimum, maximum=self.maximum)
        if decoded.shape != self.shape:
            raise UnexpectedAnswerError(f"explanation.map: {decoded.shape} values for shape {self.shape}")
        return decoded


@dataclass(frozen=True)
class Certificate:
    """Whether a method's maps depend on this model at all, checked before it was served.

    Args:
        verdict: ``pass``, ``fail``, ``inconclusive`` or ``not certified``.
        reason: The verdict in a sentence.
        checks: ``mprt``, ``efficient_mprt``, ``random_logit`` and ``planted_evidence``, each with its outcome;
            empty where the method is not certified.
        same_parameters: Whether this map has the options that were certified; None without a certificate.
    """

    verdict: str
    reason: str
    checks: Mapping[str, str]
    same_parameters: bool | None
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class Explanation:
    """A prediction, the map that explains it, and the receipt of the map.

    Args:
        prediction: What the model says of the picture.
        method: The attribution method.
        parameters: Its options, defaults filled in.
        contrast: The class whose logit was subtracted; None without.
        encoded_map: The map as it travelled; :attr:`map` decodes it.
        overlay: The map over the picture, as a file; None if it was not asked for.
        overlay_encoding: ``png`` or ``jpeg``; None without an overlay.
        forwards: Forward passes spent on the map.
        converged: False if a deadline or budget ended the method early.
        standard_error: Of the map, for methods that average samples.
        completeness_gap: Sum of the map less what it should be, for methods that promise completeness.
        certificate: Sanity checks of this method on this model.
        receipt: None if it was not asked for.
        timings_ms: Milliseconds per stage.
    """

    prediction: Prediction
    method: str
    parameters: Raw
    target: Target
    contrast: ClassName | None
    seed: int
    encoded_map: EncodedMap
    overlay: bytes | None = field(repr=False)
    overlay_encoding: str | None
    forwards: int
    converged: bool
    standard_error: EncodedMap | None = field(repr=False)
    completeness_gap: float | None
    certificate: Certificate
    receipt: Receipt | None
    timings_ms: Mapping[str, float]
    warnings: tuple[str, ...]
    model: ModelIdentity
    request_id: str
    raw: Raw = field(repr=False, compare=False)

    @property
    def map(self) -> NDArray[np.float32]:
        """The map, ``[height, width]``, decoded anew each time; larger is more evidence for the target.

        Raises:
            MissingPackageError: numpy is not installed; :attr:`encoded_map` has the bytes.
        """
        return self.encoded_map.array()

    @property
    def overlay_suffix(self) -> str:
        """What the name of a file with :attr:`overlay` should end in."""
        return ".jpg" if self.overlay_encoding == "jpeg" else ".png"

    def save_overlay(self, path: str | Path) -> None:
        """Write the overlay's file as it came; :attr:`overlay_suffix` fits it.

        Raises:
            ValueError: It was not asked for.
            OutputError: It cannot be written.
        """
        if self.overlay is None:
            raise ValueError("this explanation has no overlay; ask for one with overlay=True")
        write_whole(Path(path), self.overlay)

    def _repr_png_(self) -> bytes | None:
        return self.overlay if self.overlay_encoding == "png" else None

    def _repr_jpeg_(self) -> bytes | None:
        return self.overlay if self.overlay_encoding == "jpeg" else None

    def _repr_html_(self) -> str:
        told = self.prediction._repr_html_() + notebook.line(f"{self.method} for {self.target.label}")
        if self.receipt is not None:
            told += self.receipt._repr_html_()
        told += "".join(notebook.line(f"warning: {text}") for text in self.warnings)
        return notebook.explanation(self.overlay, told)


@dataclass(frozen=True)
class Evaluation:
    """The receipt of a map that you brought."""

    prediction: Prediction
    target: Target
    contrast: ClassName | None
    seed: int
    receipt: Receipt
    timings_ms: Mapping[str, float]
    warnings: tuple[str, ...]
    model: ModelIdentity
    request_id: str
    raw: Raw = field(repr=False, compare=False)

    def _repr_html_(self) -> str:
        return self.receipt._repr_html_()


@dataclass(frozen=True)
class Model:
    """A bundle that the service has loaded.

    Args:
        certificates: Sanity checks by method, in full; a method that is missing is not certified.
    """

    name: str
    version: str
    sha256: str
    provider: str
    default: bool
    methods: tuple[str, ...]
    classes: tuple[str, ...]
    certificates: Raw
    raw: Raw = field(repr=False, compare=False)
