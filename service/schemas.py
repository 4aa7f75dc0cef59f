"""The public contract: what a caller sends and what comes back. Fields are added, never renamed."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, StrictInt, StrictStr

from service.bundle.certificate import Outcome
from service.explain.methods import DEFAULT_METHOD
from service.faithfulness.measures.measure import MapMeasure, MeasureName
from service.imaging.encode import MapEncoding
from service.imaging.overlay import OverlayEncoding
from service.imaging.region import Rectangle
from service.lists import listed, listed_boxes
from service.receipt_schema import ReceiptBody
from service.request import MeasuredReceipt, ReceiptKind

ClassOption: TypeAlias = Annotated[StrictInt | StrictStr, Field(union_mode="left_to_right")]
"""An index, or a label. As text (a form field, a query) digits are an index; in JSON the type decides."""


OperatorName = Literal["channel_mean", "gaussian_blur", "noise", "road", "black"]
"""A removal operator; a test holds them against the registry."""


class Sent(BaseModel):
    """Base of what callers send: unknown names and non-finite numbers are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PredictFields(Sent):
    """Options of ``POST /v1/predict``."""

    model: str | None = Field(None, description="Name of the model; the service's default without it.")
    version: str | None = Field(None, description="Version of the model; its newest without it.")
    top_k: int | None = Field(
        None, ge=1, description="Number of classes to return; 5 without it, or all where there are fewer."
    )
    deadline_ms: float | None = Field(
        None, gt=0, description="Milliseconds from the request's arrival within which the answer is wanted."
    )


class TargetFields(PredictFields):
    """Options of the routes that are about one scalar of the model's answer."""

    target: ClassOption | None = Field(
        None, description="Class to explain, index or label; the predicted one without it."
    )
    contrast: ClassOption | None = Field(
        None, description="Explain the target's logit minus this class's, index or label."
    )
    seed: int = Field(0, ge=0, lt=2**63, description="Of everything random.")
    max_forwards: int | None = Field(
        None, ge=1, description="Refuse work that would need more forward passes."
    )
    boxes: Annotated[tuple[Rectangle, ...], BeforeValidator(listed_boxes)] | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="Where the object is: a JSON list of [left, top, right, bottom] in pixels of the upright "
        "picture. The receipt then says whether the map points there.",
    )


class ExplainFields(TargetFields):
    """Options of ``POST /v1/explain``."""

    method: str = Field(DEFAULT_METHOD, description="Attribution method; GET /v1/models/{name} lists them.")
    parameters: Mapping[str, object] = Field(
        default_factory=dict,
        description="The method's own options, in the JSON part; as form fields and in the query they stand "
        "beside the others, such as window=32.",
    )
    receipt: ReceiptKind = Field("fast", description="How much to measure of the map's faithfulness.")
    measures: Annotated[tuple[MeasureName, ...], BeforeValidator(listed)] = Field(
        (),
        description="What else to measure; as text, separated by commas. Magnitude: 60 forward passes per removal "
        "operator. Pixels: 13 (fast) or 37 (full) per operator. Stability: five more maps. Repeatability: up to two.",
    )
    overlay: bool = Field(False, description="Also return the map painted over the picture.")
    overlay_encoding: OverlayEncoding = Field(
        "png", description="How the overlay travels: png is exact, jpeg far smaller and quicker to make."
    )
    encoding: MapEncoding = Field("png16", description="How the map travels: png16 is smaller, npy exact.")


class EvaluateFields(TargetFields):
    """Options of ``POST /v1/evaluate``."""

    receipt: MeasuredReceipt = Field("fast", description="How much to measure of the map's faithfulness.")
    measures: Annotated[tuple[MapMeasure, ...], BeforeValidator(listed)] = Field(
        (),
        description="What else to measure; as text, separated by commas. Magnitude: 60 forward passes per removal "
        "operator. Pixels: 13 (fast) or 37 (full) per operator.",
    )
    made_with: Annotated[tuple[OperatorName, ...], BeforeValidator(listed)] = Field(
        (),
        description="Removal operators with which the map was made; as text, separated by commas. They do not "
        "judge it.",
    )


class Returned(BaseModel):
    """Base of what the service returns."""

    model_config = ConfigDict(frozen=True)


class ModelReference(Returned):
    """Which model answered, on what."""

    name: str
    version: str
    sha256: str = Field(description="Digest of the manifest, which holds those of all files.")
    provider: str = Field(description="ONNX Runtime execution provider that computed.")


class RankedClassBody(Returned):
    """One class of an answer."""

    index: int
    label: str
    probability: float = Field(description="Softmax, or for multi-label models a sigmoid, of the logit.")
    logit: float


class PredictionBody(Returned):
    """The most probable classes, best first."""

    top_k: tuple[RankedClassBody, ...]


class Region(Returned):
    """A rectangle in pixels of the upright picture; it reaches beyond it where the model's policy pads."""

    left: float
    top: float
    width: float
    height: float


class PictureBody(Returned):
    """The picture as decoded, and the part of it that the model saw (and any map covers)."""

    width: int = Field(description="Pixels, after EXIF rotation.")
    height: int = Field(description="Pixels, after EXIF rotation.")
    seen: Region


class PredictAnswer(Returned):
    """Answer of ``POST /v1/predict``."""

    request_id: str
    model: ModelReference
    prediction: PredictionBody
    picture: PictureBody
    timings_ms: Mapping[str, float] = Field(description="Milliseconds per stage, waiting included.")
    warnings: tuple[str, ...]


class ClassBody(Returned):
    """A class of the model."""

    index: int
    label: str


class TargetBody(ClassBody):
    """What the map explains."""

    scalar: Literal["logit", "logit_difference"] = Field(
        description="The target's logit, or that minus the contrast's."
    )


class MapBody(Returned):
    """A map as bytes.

    ``png16``: a 16-bit grey PNG; level L is ``minimum + L / 65535 * (maximum - minimum)``. ``npy``: float32.
    """

    encoding: MapEncoding
    shape: tuple[int, int] = Field(description="Rows and columns.")
    minimum: float
    maximum: float
    data: str = Field(description="The file, base64.")


class CertificateBody(Returned):
    """Whether a method's maps depend on this model at all; a check is null where the method was not certified."""

    verdict: Literal["pass", "fail", "inconclusive", "not certified"]
    reason: str = Field(description="The verdict in a sentence.")
    mprt: Outcome | None = Field(
        None, description="Maps change when layers are randomised from the top down."
    )
    efficient_mprt: Outcome | None = Field(None, description="Maps get more disordered when all are.")
    random_logit: Outcome | None = Field(None, description="Maps of another class differ.")
    planted_evidence: Outcome | None = Field(None, description="Maps find what was planted in a composite.")
    same_parameters: bool | None = Field(
        None, description="Whether this map has the options that were certified; null without a certificate."
    )


class ExplanationBody(Returned):
    """A map and what it took."""

    method: str
    parameters: Mapping[str, JsonValue] = Field(description="The method's options, defaults filled in.")
    target: TargetBody
    contrast: ClassBody | None
    seed: int
    map: MapBody
    overlay: str | None = Field(
        description="A picture file, base64: the map over the part that the model saw."
    )
    overlay_encoding: OverlayEncoding | None = Field(description="What kind of file; null without.")
    forwards: int = Field(description="Forward passes that the map took.")
    converged: bool = Field(description="False if a deadline, a budget or a bound on steps came first.")
    standard_error: MapBody | None = Field(description="Of the map, for methods that average samples.")
    completeness_gap: float | None = Field(
        description="Sum of the map minus what it should be, in logits, for methods that promise a sum."
    )
    certificate: CertificateBody = Field(
        description="Sanity checks of this method on this model, made before it was served."
    )


class ExplainAnswer(PredictAnswer):
    """Answer of ``POST /v1/explain``."""

    explanation: ExplanationBody
    receipt: ReceiptBody | None


class EvaluateAnswer(PredictAnswer):
    """Answer of ``POST /v1/evaluate``."""

    target: TargetBody
    contrast: ClassBody | None
    seed: int
    receipt: ReceiptBody


class ProgressBody(Returned):
    """Data of the event ``progress``, where an answer is asked for as a stream of events."""

    stage: str = Field(description="waiting (for the device), predict, explain, receipt or measures.")
    forwards_done: int = Field(description="Forward passes that have been run.")
    forwards_planned: int = Field(
        description="How many it will be in the end, at most: methods may converge before."
    )
    remaining_ms: float | None = Field(
        description="Milliseconds until then at the pace so far; null before there is a pace."
    )


class MethodBody(Returned):
    """An attribution method, as it applies to a model."""

    name: str
    summary: str
    caution: str = Field(description="What every reader of such a map must be told; empty if nothing.")
    parameters: Mapping[str, JsonValue] = Field(description="JSON Schema of the method's options.")
    forwards: int | None = Field(
        description="Forward passes with default options; null if those do not fit the model."
    )
    available: bool
    reason: str = Field(description="Why it is not available; empty if it is.")


class ModelBody(ModelReference):
    """A model that is served."""

    default: bool = Field(description="Whether it answers where no model is named.")
    ready: Literal[True] = Field(description="For clients of KServe, which ask for it.")
    methods: tuple[str, ...] = Field(description="Attribution methods that work for it.")
    classes: tuple[str, ...] = Field(description="Labels in the order of the indices.")
    method_details: tuple[MethodBody, ...]
    manifest: Mapping[str, JsonValue] = Field(
        description="The bundle's manifest without its classes: task, input, source and licence, parity, "
        "evaluation, certificates, baselines."
    )
    certificates: Mapping[str, JsonValue] = Field(
        description="Sanity checks by method; a method that is missing is not certified."
    )
    evaluation: Mapping[str, JsonValue] | None


class RefusedBody(Returned):
    """A bundle on the service's disk that is not served as it lies there."""

    name: str
    version: str
    code: str = Field(description="Kind of the reason.")
    detail: str = Field(description="What was found, what was expected, and the way out.")


class ModelsAnswer(Returned):
    """Answer of ``GET /v1/models``."""

    models: tuple[ModelBody, ...]
    refused: tuple[RefusedBody, ...] = Field(
        description="Bundles that cannot be served; an older state of one may still be among the models."
    )


class HealthAnswer(Returned):
    """Answer of the health routes."""

    status: Literal["live", "ready"]


class Problem(Returned):
    """Every failure, in the shape of RFC 9457."""

    type: str = Field(description="URI of the kind of problem; it names the code.")
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="HTTP status.")
    detail: str = Field(description="What was found, what was expected, and the way out.")
    code: str = Field(description="Stable identifier of the kind of problem.")
    where: str = Field(description="Part of the request at fault, such as image or options.top_k.")
    request_id: str = Field(description="Also in the header X-Request-ID and in the service's log.")
