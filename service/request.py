"""What the engine is asked and what it answers, free of HTTP and of JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from service.explain.explanation import Explanation
from service.explain.method import Parameters
from service.explain.methods import DEFAULT_METHOD
from service.faithfulness.measures.measure import MapMeasure, MeasureName
from service.faithfulness.receipt import Receipt
from service.imaging.region import Place
from service.imaging.resize import Box
from service.runtime.model import LoadedModel

MeasuredReceipt = Literal["fast", "full"]

ReceiptKind = Literal["none", MeasuredReceipt]

ClassReference = int | str
"""A class index, or a label exactly as the manifest spells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictOptions:
    """Options of a prediction.

    Args:
        model: A bundle's name; the service's default if None.
        version: Of that bundle; the newest if None.
        top_k: How many classes to return; five if None, or all of a model that has fewer.
        deadline_ms: Milliseconds from arrival within which the answer is wanted.
    """

    model: str | None = None
    version: str | None = None
    top_k: int | None = None
    deadline_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions(PredictOptions):
    """Options of whatever is about one scalar of the model's answer.

    Args:
        target: The class to explain; the predicted one if None.
        contrast: If given, explain the target's logit minus this class's.
        seed: Of everything random.
        max_forwards: Refuse work that would need more forward passes than this.
        place: Where the caller says that the object is; None if nothing is said.
    """

    target: ClassReference | None = None
    contrast: ClassReference | None = None
    seed: int = 0
    max_forwards: int | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainOptions(TargetOptions):
    """Options of an explanation.

    Args:
        method: The attribution method's name.
        parameters: The method's own options, not yet validated.
        receipt: How much of a receipt to make.
        measures: What else to measure.
    """

    method: str = DEFAULT_METHOD
    parameters: Mapping[str, object] = field(default_factory=dict)
    receipt: ReceiptKind = "fast"
    measures: tuple[MeasureName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions(TargetOptions):
    """Options of an evaluation.

    Args:
        receipt: How much to measure.
        made_with: Names of the removal operators with which the map was made.
        measures: What else to measure.
    """

    receipt: MeasuredReceipt = "fast"
    measures: tuple[MapMeasure, ...] = ()
    made_with: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RankedClass:
    """One class of an answer; *probability* is a softmax or, for multi-label models, a sigmoid."""

    index: int
    label: str
    probability: float
    logit: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The classes, and what of the picture the model saw."""

    model: LoadedModel
    top_k: tuple[RankedClass, ...]
    box: Box
    forwards: int
    timings_ms: Mapping[str, float]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExplainedPrediction:
    """A prediction with its map and, if asked for, the receipt of the map.

    Args:
        parameters: As validated, defaults filled in.
        target: The class index that was explained.
        timings_ms: Milliseconds per stage, waiting for the device included.
    """

    prediction: Prediction
    method: str
    parameters: Parameters
    target: int
    contrast: int | None
    seed: int
    explanation: Explanation
    receipt: Receipt | None
    timings_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class EvaluatedPrediction:
    """A prediction, and the receipt of a map that the caller brought for it.

    Args:
        target: The class index that the map is taken to explain.
        timings_ms: Milliseconds per stage, waiting for the device included.
    """

    prediction: Prediction
    target: int
    contrast: int | None
    seed: int
    receipt: Receipt
    timings_ms: Mapping[str, float]
