"""Several pictures of one request, each a request of its own to the engine."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from starlette.requests import Request

from service.arrays import Picture
from service.errors import OptionError
from service.http.edge import Edge
from service.http.observation import observation_of
from service.http.observing import observe_explained, observe_predicted
from service.http.options import check_fields, explain_options, predict_options
from service.http.submission import RawOptions
from service.http.waiting import answers
from service.http.work import Begun, Sent, begin, time_left
from service.request import ExplainedPrediction, Prediction, PredictOptions
from service.runtime.journey import Journey
from service.schemas import ExplainFields, PredictFields

T = TypeVar("T")
P = TypeVar("P", bound=PredictOptions)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, read.

    Args:
        model: Named in the path.
        version: Named in the path; None for the newest, or for the one that the options name.
        pictures: At least one.
        options: As they came; they may not name the model.
        arrived_s: When, by :func:`time.perf_counter`.
    """

    model: str
    version: str | None
    pictures: Sequence[Sent]
    options: RawOptions
    arrived_s: float

    def raw(self, **defaults: str) -> RawOptions:
        """Add what the path says to the options.

        Raises:
            OptionError: The options say it too.
        """
        said = {"model": self.model} | ({} if self.version is None else {"version": self.version})
        for name in said:
            if name in self.options.values:
                raise OptionError(
                    f"{name} is named in the path; leave it out here", where=f"parameters.{name}"
                )
        return RawOptions({**defaults, **self.options.values, **said}, typed=self.options.typed)


async def predict(edge: Edge, request: Request, asked: Asked) -> list[tuple[Picture, Prediction]]:
    """Classify every picture; each comes back upright beside its answer.

    Raises:
        SaliserveError: As for ``POST /v1/predict``; one failure is the failure of all.
    """
    options = predict_options(check_fields(asked.raw(), PredictFields), edge.settings)
    if options.top_k is None:
        options = replace(options, top_k=len(edge.engine.models.get(options.model, options.version).classes))
    done = await _run(edge, request, asked, options, edge.engine.predict)
    for _, decode_ms, prediction in done:
        observe_predicted(observation_of(request), prediction, {"decode": decode_ms, **prediction.timings_ms})
    return [(picture, prediction) for picture, _, prediction in done]


async def explain(
    edge: Edge, request: Request, asked: Asked, *, paints: bool = False, **defaults: str
) -> tuple[ExplainFields, list[tuple[Picture, ExplainedPrediction]]]:
    """Classify and explain every picture.

    Args:
        edge: What routes need.
        request: Its body read to the end.
        asked: What it says.
        paints: Whether overlays are made of the answers, although the options do not say so.
        defaults: Of options, where they differ from those of ``POST /v1/explain``.

    Raises:
        SaliserveError: As for ``POST /v1/explain``; one failure is the failure of all.
    """
    fields = check_fields(asked.raw(**defaults), ExplainFields)
    options = explain_options(fields, edge.settings)
    done = await _run(
        edge,
        request,
        asked,
        options,
        lambda picture, options, journey: edge.engine.explain(picture, options, journey=journey),
        keep_pixels=paints or fields.overlay,
    )
    for _, decode_ms, explained in done:
        timings_ms = {"decode": decode_ms, **explained.timings_ms}
        observe_explained(observation_of(request), explained, timings_ms)
    return fields, [(picture, explained) for picture, _, explained in done]


async def _run(
    edge: Edge,
    request: Request,
    asked: Asked,
    options: P,
    submit: "Callable[[Picture, P, Journey], Future[T]]",
    *,
    keep_pixels: bool = False,
) -> list[tuple[Picture, float, T]]:
    most = edge.settings.max_instances
    if not 1 <= len(asked.pictures) <= most:
        raise OptionError(f"there are {len(asked.pictures)} pictures; expected 1 to {most}", where="body")
    observation = observation_of(request)
    observation.model = edge.engine.models.get(options.model, options.version).name

    def submit_one(journey: Journey, picture: Picture) -> "Future[T]":
        left = replace(options, deadline_ms=time_left(options, asked.arrived_s))
        return submit(picture, left, journey)

    works: list[Begun[T]] = []
    try:
        # One at a time, so that a single one of them is in memory at full size.
        for sent in asked.pictures:
            hand_over = partial(submit_one, observation.journey())
            works.append(await begin(edge, observation, sent, hand_over, keep_pixels=keep_pixels))
    except BaseException:
        for begun in works:
            begun.work.cancel()
        raise
    results = await answers(request, [begun.work for begun in works])
    return [(begun.picture, begun.decode_ms, result) for begun, result in zip(works, results, strict=True)]
