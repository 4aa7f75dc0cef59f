"""The columns of a run's output, defined once for JSON lines and Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from saliserve_client.errors import SaliserveError
from saliserve_client.files import printable
from saliserve_client.results import Explanation, ModelIdentity, Prediction, Receipt
from saliserve_client.scoring.journal import Row

SCHEMA_VERSION = 1
"""Raised when a column is renamed, removed or changes its type; adding one does not raise it."""


@dataclass(frozen=True)
class Column:
    """A column: its name, its type (``text``, ``integer``, ``number``, ``flag``, ``texts``), its meaning."""

    name: str
    kind: str
    meaning: str


COLUMNS = (
    Column("image", "text", "Name of the image: its path below the folder, or as written in the list."),
    Column("status", "text", "`scored` or `failed`."),
    Column("sha256", "text", "Digest of the image file; null if it could not be read."),
    Column("bytes", "integer", "Size of the image file."),
    Column("duplicate_of", "text", "With --dedupe: the image of the same content whose answer this is."),
    Column("error_code", "text", "Why it failed: the `code` of the error tree; null if scored."),
    Column("error_detail", "text", "The same as a sentence."),
    Column("model_name", "text", "Model that answered."),
    Column("model_version", "text", "Its version."),
    Column("model_sha256", "text", "Its digest."),
    Column("provider", "text", "ONNX Runtime execution provider."),
    Column("class_index", "integer", "Most probable class."),
    Column("label", "text", "Its label."),
    Column("probability", "number", "Its probability, in [0, 1]."),
    Column("top_k", "text", "JSON: the ranked classes with index, label and probability."),
    Column("method", "text", "Explanation method; null if only predicted, as all that follows."),
    Column("parameters", "text", "JSON: its options, defaults filled in."),
    Column("target_index", "integer", "Class that was explained."),
    Column("target_label", "text", "Its label."),
    Column("seed", "integer", "Seed of everything random."),
    Column("forwards", "integer", "Forward passes spent on the map."),
    Column("converged", "flag", "False if a deadline or budget ended the method early."),
    Column("completeness_gap", "number", "In logits; null for methods that promise no completeness."),
    Column("verdict", "text", "The receipt's verdict; null without a receipt, as the next six."),
    Column("reason", "text", "The verdict in a sentence."),
    Column("srg", "number", "Mean of SRG = AUC_LeRF - AUC_MoRF over the removal operators; 0 is chance."),
    Column(
        "z_score", "number", "Of that gain in log-odds, in deviations of random orders on the same image."
    ),
    Column("p_value", "number", "How often a random order would do at least as well."),
    Column(
        "gain", "number", "Mean SRG over the probability at stake: 0 is chance, near 1 the best conceivable."
    ),
    Column("receipt", "text", "JSON: the whole receipt."),
    Column("map", "text", "File of the map below --maps."),
    Column("map_minimum", "number", "Value that the darkest level of a png16 map stands for."),
    Column("map_maximum", "number", "Value that the brightest level stands for."),
    Column("overlay", "text", "File of the overlay below --overlays."),
    Column("warnings", "texts", "The service's warnings."),
    Column("predict_ms", "number", "Milliseconds the service spent on the prediction."),
    Column("explain_ms", "number", "On the map."),
    Column("receipt_ms", "number", "On the receipt."),
    Column("attempts", "integer", "How often the image was sent."),
    Column("request_id", "text", "Names the request in the service's log."),
)

VARYING = frozenset({"predict_ms", "explain_ms", "receipt_ms", "attempts", "request_id"})
"""Columns that differ between two runs over the same images; all others are equal."""


@dataclass(frozen=True)
class Content:
    """What is known of an image before it is sent."""

    image: str
    sha256: str | None = None
    bytes: int | None = None


def scored(content: Content, answer: Prediction | Explanation, *, attempts: int) -> Row:
    """Make the row of an answer; the files of map and overlay are filled in by who writes them."""
    row = _empty(content, "scored", attempts)
    if isinstance(answer, Explanation):
        row.update(_explained(answer))
        row.update(_measured(answer.receipt))
        prediction = answer.prediction
    else:
        prediction = answer
    row.update(_predicted(prediction))
    row.update(_model(answer.model), warnings=list(answer.warnings), request_id=answer.request_id)
    for stage in ("predict", "explain", "receipt"):
        row[f"{stage}_ms"] = answer.timings_ms.get(stage)
    return row


def failed(content: Content, error: SaliserveError, *, attempts: int) -> Row:
    """Make the row of an image that cannot be scored."""
    row = _empty(content, "failed", attempts)
    row.update(
        error_code=error.code, error_detail=printable(error.detail), request_id=error.request_id or None
    )
    return row


def duplicate(content: Content, original: Row) -> Row:
    """Make the row of an image whose content was scored under another name."""
    return {
        **original,
        "image": content.image,
        "duplicate_of": original["duplicate_of"] or original["image"],
        "attempts": 0,
        "request_id": None,
    }


def _empty(content: Content, status: str, attempts: int) -> Row:
    row: Row = dict.fromkeys((column.name for column in COLUMNS), None)
    row.update(
        image=content.image,
        status=status,
        sha256=content.sha256,
        bytes=content.bytes,
        warnings=[],
        attempts=attempts,
    )
    return row


def _predicted(prediction: Prediction) -> Row:
    ranked = [
        {"index": one.index, "label": one.label, "probability": one.probability} for one in prediction.top_k
    ]
    return {
        "class_index": prediction.best.index,
        "label": prediction.label,
        "probability": prediction.probability,
        "top_k": _json(ranked),
    }


def _explained(explanation: Explanation) -> Row:
    return {
        "method": explanation.method,
        "parameters": _json(explanation.parameters),
        "target_index": explanation.target.index,
        "target_label": explanation.target.label,
        "seed": explanation.seed,
        "forwards": explanation.forwards,
        "converged": explanation.converged,
        "completeness_gap": explanation.completeness_gap,
        "map_minimum": explanation.encoded_map.minimum,
        "map_maximum": explanation.encoded_map.maximum,
    }


def _measured(receipt: Receipt | None) -> Row:
    if receipt is None:
        return {}
    row: Row = {"verdict": receipt.verdict, "reason": receipt.reason, "receipt": _json(receipt.raw)}
    if receipt.summary is not None:
        row.update(
            srg=receipt.summary.srg_mean,
            z_score=receipt.summary.z_score,
            p_value=receipt.summary.p_value,
            gain=receipt.summary.gain,
        )
    return row


def _model(model: ModelIdentity) -> Row:
    return {
        "model_name": model.name,
        "model_version": model.version,
        "model_sha256": model.sha256,
        "provider": model.provider,
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def comparable(rows: Iterator[Mapping[str, Any]]) -> dict[str, Row]:
    """Index rows by image without the columns that vary, to compare two runs."""
    return {row["image"]: {name: value for name, value in row.items() if name not in VARYING} for row in rows}
