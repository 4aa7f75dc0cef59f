"""What the engine answers -> the public contract."""

from base64 import b64encode
from collections.abc import Mapping

from service.arrays import Picture, SaliencyMap
from service.faithfulness.receipt import Receipt
from service.faithfulness.report import report
from service.http.certificates import certificate_body, certificate_warnings
from service.imaging.encode import MapEncoding, encode_map
from service.imaging.overlay import OverlayEncoding, draw_overlay
from service.receipt_schema import ReceiptBody
from service.request import EvaluatedPrediction, ExplainedPrediction, Prediction
from service.runtime.model import LoadedModel
from service.schemas import (
    ClassBody,
    EvaluateAnswer,
    ExplainAnswer,
    ExplainFields,
    ExplanationBody,
    MapBody,
    ModelReference,
    PictureBody,
    PredictAnswer,
    PredictionBody,
    RankedClassBody,
    Region,
    TargetBody,
)


def predict_answer(
    request_id: str, picture: Picture, prediction: Prediction, timings_ms: Mapping[str, float]
) -> PredictAnswer:
    """Write the answer of ``/v1/predict``."""
    return PredictAnswer(
        request_id=request_id,
        model=model_reference(prediction.model),
        prediction=prediction_body(prediction),
        picture=picture_body(picture, prediction),
        timings_ms=rounded(timings_ms),
        warnings=prediction.warnings,
    )


def explain_answer(
    request_id: str,
    picture: Picture,
    explained: ExplainedPrediction,
    fields: ExplainFields,
    timings_ms: Mapping[str, float],
) -> ExplainAnswer:
    """Write the answer of ``/v1/explain``; encodes the map and, if asked for, paints the overlay."""
    prediction, explanation = explained.prediction, explained.explanation
    error = explanation.standard_error
    manifest, parameters = prediction.model.manifest, explained.parameters.model_dump(mode="json")
    body = ExplanationBody(
        method=explained.method,
        parameters=parameters,
        target=target_body(prediction.model, explained.target, explained.contrast),
        contrast=_contrast(prediction.model, explained.contrast),
        seed=explained.seed,
        map=map_body(explanation.map, fields.encoding),
        overlay=_base64(painted(picture, explained, fields.overlay_encoding)) if fields.overlay else None,
        overlay_encoding=fields.overlay_encoding if fields.overlay else None,
        forwards=explanation.forwards,
        converged=explanation.converged,
        standard_error=None if error is None else map_body(error, fields.encoding),
        completeness_gap=explanation.completeness_gap,
        certificate=certificate_body(manifest, explained.method, parameters),
    )
    receipt = explained.receipt
    return ExplainAnswer(
        request_id=request_id,
        model=model_reference(prediction.model),
        prediction=prediction_body(prediction),
        picture=picture_body(picture, prediction),
        explanation=body,
        receipt=None if receipt is None else receipt_body(receipt),
        timings_ms=rounded(timings_ms),
        warnings=(
            *prediction.warnings,
            *explanation.warnings,
            *certificate_warnings(manifest, explained.method),
        ),
    )


def evaluate_answer(
    request_id: str, picture: Picture, evaluated: EvaluatedPrediction, timings_ms: Mapping[str, float]
) -> EvaluateAnswer:
    """Write the answer of ``/v1/evaluate``."""
    prediction = evaluated.prediction
    return EvaluateAnswer(
        request_id=request_id,
        model=model_reference(prediction.model),
        prediction=prediction_body(prediction),
        picture=picture_body(picture, prediction),
        target=target_body(prediction.model, evaluated.target, evaluated.contrast),
        contrast=_contrast(prediction.model, evaluated.contrast),
        seed=evaluated.seed,
        receipt=receipt_body(evaluated.receipt),
        timings_ms=rounded(timings_ms),
        warnings=prediction.warnings,
    )


def painted(picture: Picture, explained: ExplainedPrediction, encoding: OverlayEncoding) -> bytes:
    """Paint the overlay of an explanation, as a picture file."""
    return draw_overlay(picture, explained.explanation.map, explained.prediction.box, encoding)


def model_reference(model: LoadedModel) -> ModelReference:
    """Name the model that answers."""
    return ModelReference(
        name=model.manifest.name,
        version=model.manifest.version,
        sha256=model.sha256,
        provider=model.device.provider,
    )


def prediction_body(prediction: Prediction) -> PredictionBody:
    """Write the classes."""
    return PredictionBody(
        top_k=tuple(
            RankedClassBody(index=one.index, label=one.label, probability=one.probability, logit=one.logit)
            for one in prediction.top_k
        )
    )


def picture_body(picture: Picture, prediction: Prediction) -> PictureBody:
    """Say which part of the picture the model saw."""
    height, width = picture.shape[:2]
    box = prediction.box
    seen = Region(left=box.left, top=box.top, width=box.width, height=box.height)
    return PictureBody(width=width, height=height, seen=seen)


def class_body(model: LoadedModel, index: int) -> ClassBody:
    """Name a class."""
    return ClassBody(index=index, label=model.classes[index])


def receipt_body(receipt: Receipt) -> ReceiptBody:
    """Write a receipt."""
    return ReceiptBody.model_validate(report(receipt))


def target_body(model: LoadedModel, index: int, contrast: int | None) -> TargetBody:
    """Say what is explained."""
    scalar = "logit" if contrast is None else "logit_difference"
    return TargetBody(index=index, label=model.classes[index], scalar=scalar)


def map_body(saliency: SaliencyMap, encoding: MapEncoding) -> MapBody:
    """Encode a map."""
    encoded = encode_map(saliency, encoding)
    return MapBody(
        encoding=encoded.encoding,
        shape=encoded.shape,
        minimum=encoded.minimum,
        maximum=encoded.maximum,
        data=_base64(encoded.data),
    )


def rounded(timings_ms: Mapping[str, float]) -> Mapping[str, float]:
    """Keep microseconds; a clock's further digits mean nothing."""
    return {stage: round(milliseconds, 3) for stage, milliseconds in timings_ms.items()}


def _contrast(model: LoadedModel, index: int | None) -> ClassBody | None:
    return None if index is None else class_body(model, index)


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
