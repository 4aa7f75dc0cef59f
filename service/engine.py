"""Everything one request needs, from a decoded picture to a map with its receipt; no HTTP."""

import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from service.arrays import Logits, Picture, SaliencyMap
from service.explain.subject import Subject
from service.faithfulness.measures.add import add_localisation, add_measures
from service.faithfulness.measures.localisation import Localisation, Region, localise
from service.faithfulness.receipt import receipt_plan
from service.imaging.region import region
from service.imaging.resize import ModelView, resize
from service.job import Job, check_job
from service.measurement import Measurement, doubts
from service.measures import measures_of_explanation, measures_of_map
from service.request import (
    EvaluatedPrediction,
    EvaluateOptions,
    ExplainedPrediction,
    ExplainOptions,
    Prediction,
    PredictOptions,
    RankedClass,
)
from service.runtime.calibration import TimedModel
from service.runtime.journey import Journey
from service.runtime.lanes import Weight
from service.runtime.limits import past, within
from service.runtime.model import LoadedModel
from service.runtime.plan import Answer, DeadlineReached, MicroBatch, Plan
from service.runtime.program import DeviceTensor
from service.runtime.scheduler import Scheduler
from service.runtime.store import ModelStore
from service.runtime.tally import Tally, Tell
from service.runtime.watch import Watch
from service.target import check_contrast, check_top_k

_TOP_K = 5

_WARMING_FORWARDS = 500
"""About what it takes to warm a model: four calls of four sizes in three directions."""


class _Stopwatch:
    """Milliseconds per stage, waiting included.

    Args:
        begin: Told of each stage that begins.
        journey: Keeps when each began and ended.
    """

    def __init__(
        self, begin: Callable[[str], object] = lambda _: None, journey: Journey | None = None
    ) -> None:
        self.timings_ms: dict[str, float] = {}
        self._begin = begin
        self._journey = journey or Journey()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._begin(name)
        try:
            with self._journey.stage(name):
                yield
        finally:
            stage = self._journey.stages[-1]
            self.timings_ms[name] = 1e3 * (stage.end_s - stage.begin_s)


class Engine:
    """Answers requests on one device.

    Args:
        models: What is served.
        queue_forwards: Most forward passes that may wait.
        default_deadline_ms: For requests that name none; None waits for ever.
        watch: Is told what the device does.
    """

    def __init__(
        self,
        models: ModelStore,
        *,
        queue_forwards: int = 10_000,
        default_deadline_ms: float | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.models = models
        self._default_deadline_ms = default_deadline_ms
        self._scheduler = Scheduler(queue_forwards=queue_forwards, watch=watch)

    @property
    def queued_forwards(self) -> float:
        """Forward passes that are accepted and not yet run."""
        return self._scheduler.queued_forwards

    def predict(
        self, picture: Picture, options: PredictOptions, journey: Journey | None = None
    ) -> "Future[Prediction]":
        """Classify a picture.

        Args:
            picture: ``[height, width, 3]``, RGB in [0, 255], upright.
            options: What to answer with.
            journey: Keeps what becomes of the request.

        Raises:
            RequestError: An option is wrong.
            CapacityError: There is no room for the request now.
        """
        model = self.models.get(options.model, options.version)
        check_top_k(model, options.top_k)
        until = self._until(options)
        stopwatch = _Stopwatch(journey=journey)
        with stopwatch.stage("resize"):
            view = _view(model, picture)
        return self._scheduler.submit(
            partial(_predict, model, view, options, stopwatch),
            model,
            weight=Weight.PREDICT,
            forwards=1,
            until=until,
            journey=journey,
        )

    def explain(
        self,
        picture: Picture,
        options: ExplainOptions,
        tell: Tell = lambda _: None,
        journey: Journey | None = None,
    ) -> "Future[ExplainedPrediction]":
        """Classify a picture, explain the answer, and measure the explanation.

        Args:
            picture: As for the others.
            options: What to explain, and how.
            tell: Told how far the work has come.
            journey: Keeps what becomes of the request.

        Raises:
            RequestError: An option is wrong, or the budget allows no answer.
            CapacityError: There is no room for the request now.
        """
        job = check_job(self.models.get(options.model, options.version), options)
        until = self._until(options)
        tally = Tally(job.stages, tell, until=until)
        stopwatch = _Stopwatch(tally.begin, journey)
        with stopwatch.stage("resize"):
            view = _view(job.model, picture)
        where = _region(options, picture, view, job.model)
        return self._scheduler.submit(
            partial(_explain, job, view, where, _end_of_map(job, until), stopwatch),
            job.model,
            weight=Weight.EXPLAIN,
            forwards=job.cost_forwards,
            least_forwards=job.least_cost_forwards,
            until=until,
            ran=tally.ran,
            journey=journey,
        )

    def evaluate(
        self,
        picture: Picture,
        saliency: NDArray[np.generic],
        options: EvaluateOptions,
        tell: Tell = lambda _: None,
        journey: Journey | None = None,
    ) -> "Future[EvaluatedPrediction]":
        """Classify a picture, and measure a map that somebody else made of the answer.

        Args:
            picture: As for the others.
            saliency: ``[h, w]`` of any size, over the part of the picture that the model sees; signed, larger
                is more evidence for the target.
            options: What to measure.
            tell: Told how far the work has come.
            journey: Keeps what becomes of the request.

        Raises:
            RequestError: The map or an option is wrong, or the budget allows no receipt.
            CapacityError: There is no room for the request now.
        """
        measurement = Measurement.checked(self.models.get(options.model, options.version), options, saliency)
        until = self._until(options)
        tally = Tally(measurement.stages, tell, until=until)
        stopwatch = _Stopwatch(tally.begin, journey)
        with stopwatch.stage("resize"):
            view = _view(measurement.model, picture)
        where = _region(options, picture, view, measurement.model)
        return self._scheduler.submit(
            partial(_evaluate, measurement, view, where, doubts(picture, saliency, view.box), stopwatch),
            measurement.model,
            weight=Weight.EVALUATE,
            forwards=measurement.cost_forwards,
            least_forwards=measurement.least_cost_forwards,
            until=until,
            ran=tally.ran,
            journey=journey,
        )

    def warm_up(self, model: LoadedModel) -> "Future[None]":
        """Measure the pace of a model that is to be served, between the micro-batches of requests.

        Raises:
            CapacityError: There is no room for it now.
        """
        timed = TimedModel(model)
        return self._scheduler.submit(
            partial(model.warming_plan, timed), timed, weight=Weight.EVALUATE, forwards=_WARMING_FORWARDS
        )

    def close(self) -> None:
        """Take no new requests and finish those that were accepted."""
        self._scheduler.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _until(self, options: PredictOptions) -> float | None:
        """When the answer is due, by :func:`time.monotonic`: what is done before the device's turn counts too."""
        deadline_ms = options.deadline_ms if options.deadline_ms is not None else self._default_deadline_ms
        return None if deadline_ms is None else time.monotonic() + deadline_ms / 1e3


def _predict(
    model: LoadedModel, view: ModelView, options: PredictOptions, stopwatch: _Stopwatch
) -> Plan[Prediction]:
    image = model.device.upload(view.image[None])
    logits = yield from _classify(image, stopwatch)
    return _prediction(model, view, logits, options.top_k, stopwatch)


def _end_of_map(job: Job, until: float | None) -> float | None:
    """Leave the receipt the time that it takes, but no more than half, if a map can be had in what remains."""
    if until is None:
        return None
    model, now = job.model, time.monotonic()
    left_s = until - now
    share_s = left_s - min(model.seconds(job.receipt_forwards), left_s / 2)
    return now + share_s if model.seconds(job.least_cost_forwards) < share_s else until


def _explain(
    job: Job, view: ModelView, where: Region | None, until: float | None, stopwatch: _Stopwatch
) -> Plan[ExplainedPrediction]:
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


def _evaluate(
    measurement: Measurement,
    view: ModelView,
    where: Region | None,
    warnings: tuple[str, ...],
    stopwatch: _Stopwatch,
) -> Plan[EvaluatedPrediction]:
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


def _region(
    options: ExplainOptions | EvaluateOptions, picture: Picture, view: ModelView, model: LoadedModel
) -> Region | None:
    if options.place is None:
        return None
    size = (picture.shape[0], picture.shape[1])
    return region(options.place, size, view.box, height=model.height, width=model.width)


def _localised(saliency: SaliencyMap, where: Region | None) -> Localisation | None:
    return None if where is None else localise(saliency, where)


def _subject(request: Job | Measurement, view: ModelView, image: DeviceTensor, logits: Logits) -> Subject:
    """Say what is explained, now that the predicted class is known."""
    target = int(np.argmax(logits)) if request.target is None else request.target
    check_contrast(target, request.contrast)
    return Subject(request.model, view.image, image, target, request.contrast, request.options.seed)


def _classify(image: DeviceTensor, stopwatch: _Stopwatch) -> Generator[MicroBatch, Answer, Logits]:
    with stopwatch.stage("predict"):
        answer = yield MicroBatch(image, 1)
    logits: Logits = answer["logits"].numpy()[0]
    return logits


def _view(model: LoadedModel, picture: Picture) -> ModelView:
    return resize(picture, model.manifest.input.resize, height=model.height, width=model.width)


def _prediction(
    model: LoadedModel, view: ModelView, logits: Logits, top_k: int | None, stopwatch: _Stopwatch
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
