"""Takes requests: checks them, brings their picture to the model's size, and hands the scheduler one plan each."""

import time
from concurrent.futures import Future
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from service.arrays import Picture
from service.faithfulness.measures.localisation import Region
from service.imaging.region import region
from service.imaging.resize import ModelView, resize
from service.job import Job, check_job
from service.measurement import Measurement, doubts
from service.plans import evaluate_plan, explain_plan, predict_plan
from service.request import (
    EvaluatedPrediction,
    EvaluateOptions,
    ExplainedPrediction,
    ExplainOptions,
    Prediction,
    PredictOptions,
)
from service.runtime.calibration import TimedModel
from service.runtime.journey import Journey
from service.runtime.lanes import Weight
from service.runtime.model import LoadedModel
from service.runtime.scheduler import Scheduler
from service.runtime.store import ModelStore
from service.runtime.tally import Tally, Tell
from service.runtime.watch import Watch
from service.stopwatch import Stopwatch
from service.target import check_top_k

_WARMING_FORWARDS = 500
"""About what it takes to warm a model: four calls of four sizes in three directions."""


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
        stopwatch = Stopwatch(journey=journey)
        with stopwatch.stage("resize"):
            view = _view(model, picture)
        return self._scheduler.submit(
            partial(predict_plan, model, view, options, stopwatch),
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
        stopwatch = Stopwatch(tally.begin, journey)
        with stopwatch.stage("resize"):
            view = _view(job.model, picture)
        where = _region(options, picture, view, job.model)
        return self._scheduler.submit(
            partial(explain_plan, job, view, where, _end_of_map(job, until), stopwatch),
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
        stopwatch = Stopwatch(tally.begin, journey)
        with stopwatch.stage("resize"):
            view = _view(measurement.model, picture)
        where = _region(options, picture, view, measurement.model)
        return self._scheduler.submit(
            partial(evaluate_plan, measurement, view, where, doubts(picture, saliency, view.box), stopwatch),
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


def _end_of_map(job: Job, until: float | None) -> float | None:
    """Leave the receipt the time that it takes, but no more than half, if a map can be had in what remains."""
    if until is None:
        return None
    model, now = job.model, time.monotonic()
    left_s = until - now
    share_s = left_s - min(model.seconds(job.receipt_forwards), left_s / 2)
    return now + share_s if model.seconds(job.least_cost_forwards) < share_s else until


def _region(
    options: ExplainOptions | EvaluateOptions, picture: Picture, view: ModelView, model: LoadedModel
) -> Region | None:
    if options.place is None:
        return None
    size = (picture.shape[0], picture.shape[1])
    return region(options.place, size, view.box, height=model.height, width=model.width)


def _view(model: LoadedModel, picture: Picture) -> ModelView:
    return resize(picture, model.manifest.input.resize, height=model.height, width=model.width)
