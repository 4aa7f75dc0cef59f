"""What each request has the device do, from an image to classes, a map and a receipt."""

from collections.abc import Generator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from service.arrays import Logits, SaliencyMap
from service.explain.subject import Subject
from service.faithfulness.measures.add import add_localisation, add_measures
from service.faithfulness.measures.localisation import Localisation, Region, localise
from service.faithfulness.receipt import receipt_plan
from service.imaging.resize import ModelView
from service.job import Job
from service.measurement import Measurement
from service.measures import measures_of_explanation, measures_of_map
from service.request import EvaluatedPrediction, ExplainedPrediction, Prediction, PredictOptions, RankedClass
from service.runtime.limits import past, within
from service.runtime.model import LoadedModel
from service.runtime.plan import Answer, DeadlineReached, MicroBatch, Plan
from service.runtime.program import DeviceTensor
from service.stopwatch import Stopwatch
from service.target import check_contrast

_TOP_K = 5


def predict_plan(
    model: LoadedModel, view: ModelView, options: PredictOptions, stopwatch: Stopwatch
) -> Plan[Prediction]:
    """Classify.

    Args:
        model: Which one.
        view: The picture at its size.
        options: How many classes to name.
        stopwatch: Keeps the stages.
    """
    image = model.device.upload(view.image[None])
    logits = yield from _classify(image, stopwatch)
    return _prediction(model, view, logits, options.top_k, stopwatch)


def explain_plan(
    job: Job, view: ModelView, where: Region | None, until: float | None, stopwatch: Stopwatch
) -> Plan[ExplainedPrediction]:
    """Classify, explain the answer, and measure the explanation.

    Args:
        job: What to do, checked.
        view: The picture at the model's size.
        where: The object, if the caller has said.
        until: When the map has to do with what it has, by :func:`time.monotonic`; None for never.
        stopwatch: Keeps the stages.

    Raises:
        DeadlineReached: There is no map yet. A receipt for which there was no time is left out, with a warning.
    """
    image = job.model.device.upload(view.image[None])
    logits = yield from _classify(image, stopwatch)
    subject = _subject(job, view, image, logits)
    with stopwatch.stage("explain"):
        explanation = yield from within(job.explain(subject), is_late=past(until))
    if job.method.caution:
        explanation = replace(explanation, warnings=(*explanation.warnings, job.method.caution))
    warnings: tuple[str, ...] = ()
    receipt = None
    if job.protocol is not None:
        try:
            with stopwatch.stage("receipt"):
                receipt = yield from receipt_plan(
                    subject, explanation.map, protocol=job.protocol, made_with=job.parameters.made_with
                )
                receipt = add_localisation(receipt, _localised(explanation.map, where))
            if job.options.measures:
                with stopwatch.stage("measures"):
                    asked = measures_of_explanation(job, subject, explanation, logits, receipt)
                    receipt = yield from add_measures(receipt, asked)
        except DeadlineReached as signal:  # the map stands without it
            warnings = (f"{signal.reason}: there was nothing left for a receipt",)
    prediction = _prediction(job.model, view, logits, job.options.top_k, stopwatch)
    return ExplainedPrediction(
        prediction=replace(prediction, warnings=warnings),
        method=job.method.name,
        parameters=job.parameters,
        target=subject.target,
        contrast=subject.contrast,
        seed=subject.seed,
        explanation=explanation,
        receipt=receipt,
        timings_ms=stopwatch.timings_ms,
    )


def evaluate_plan(
    measurement: Measurement,
    view: ModelView,
    where: Region | None,
    warnings: tuple[str, ...],
    stopwatch: Stopwatch,
) -> Plan[EvaluatedPrediction]:
    """Classify, and measure a map that somebody else made of the answer.

    Args:
        measurement: What to measure, checked.
        view: The picture at the model's size.
        where: The object, if the caller has said.
        warnings: What is doubtful about the map.
        stopwatch: Keeps the stages.

    Raises:
        DeadlineReached: Not one removal operator was finished.
    """
    model = measurement.model
    image = model.device.upload(view.image[None])
    logits = yield from _classify(image, stopwatch)
    subject = _subject(measurement, view, image, logits)
    with stopwatch.stage("receipt"):
        receipt = yield from receipt_plan(
            subject,
            measurement.map,
            protocol=measurement.protocol,
            made_with=measurement.options.made_with,
        )
        receipt = add_localisation(receipt, _localised(measurement.map, where))
    if measurement.options.measures:
        with stopwatch.stage("measures"):
            asked = measures_of_map(measurement.options.measures, subject, receipt)
            receipt = yield from add_measures(receipt, asked)
    prediction = _prediction(model, view, logits, measurement.options.top_k, stopwatch)
    return EvaluatedPrediction(
        prediction=replace(prediction, warnings=warnings),
        target=subject.target,
        contrast=subject.contrast,
        seed=subject.seed,
        receipt=receipt,
        timings_ms=stopwatch.timings_ms,
    )


def _localised(saliency: SaliencyMap, where: Region | None) -> Localisation | None:
    return None if where is None else localise(saliency, where)


def _subject(request: Job | Measurement, view: ModelView, image: DeviceTensor, logits: Logits) -> Subject:
    """Say what is explained, now that the predicted class is known."""
    target = int(np.argmax(logits)) if request.target is None else request.target
    check_contrast(target, request.contrast)
    return Subject(request.model, view.image, image, target, request.contrast, request.options.seed)


def _classify(image: DeviceTensor, stopwatch: Stopwatch) -> Generator[MicroBatch, Answer, Logits]:
    with stopwatch.stage("predict"):
        answer = yield MicroBatch(image, 1)
    logits: Logits = answer["logits"].numpy()[0]
    return logits


def _prediction(
    model: LoadedModel, view: ModelView, logits: Logits, top_k: int | None, stopwatch: Stopwatch
) -> Prediction:
    probabilities = _probabilities(model, logits)
    # Stable, so that equal logits keep the order of the classes.
    ranking = np.argsort(-logits, kind="stable")[: top_k or _TOP_K]
    return Prediction(
        model=model,
        top_k=tuple(
            RankedClass(int(index), model.classes[index], float(probabilities[index]), float(logits[index]))
            for index in ranking
        ),
        box=view.box,
        forwards=1,
        timings_ms=stopwatch.timings_ms,
    )


def _probabilities(model: LoadedModel, logits: Logits) -> NDArray[np.float64]:
    wide = logits.astype(np.float64)
    if model.manifest.task == "multi_label":
        sigmoid: NDArray[np.float64] = 1 / (1 + np.exp(-wide))
        return sigmoid
    exponentials = np.exp(wide - wide.max())
    softmax: NDArray[np.float64] = exponentials / exponentials.sum()
    return softmax
