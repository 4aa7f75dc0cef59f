"""``POST /v1/evaluate``: picture and a map that somebody else made of it -> how far to trust the map."""

import time
from concurrent.futures import Future
from dataclasses import replace

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.arrays import Picture
from service.http.answers import evaluate_answer
from service.http.documentation import EVALUATE
from service.http.edge import Edge
from service.http.negotiation import preferred
from service.http.observation import observation_of
from service.http.observing import observe_predicted, observe_receipt
from service.http.options import check_fields, evaluate_options
from service.http.reply import EVENTS, JSON, json_response
from service.http.stream import Live, deliver
from service.http.submission import IMAGE, MASK, read_submission
from service.http.work import begin, mask_of, time_left
from service.imaging.map_file import read_map
from service.request import EvaluatedPrediction
from service.schemas import EvaluateFields

MAP = "map"

BROUGHT = "brought"
"""Stands for the method in metrics and log: whoever made the map, it was not the service."""


def evaluate_routes(edge: Edge) -> APIRouter:
    """Make the route."""
    router = APIRouter(tags=["pictures"])

    @router.post("/v1/evaluate", **EVALUATE)
    async def evaluate(request: Request) -> Response:
        """Measure how faithful a map of your own is to the model on this picture."""
        arrived_s = time.perf_counter()
        observation = observation_of(request)
        with observation.stage("receive"):
            submission = await read_submission(
                request, edge.settings, files=frozenset({IMAGE, MAP}), optional=frozenset({MASK})
            )
        fields = check_fields(submission.options, EvaluateFields)
        options = evaluate_options(fields, edge.settings, mask=await mask_of(edge, submission))
        observation.model = edge.engine.models.get(options.model, options.version).manifest.name
        observation.method = BROUGHT
        live, journey = Live(), observation.journey()

        def submit(picture: Picture) -> "Future[EvaluatedPrediction]":
            with observation.stage("decode"):
                saliency = read_map(submission.files[MAP])
            left = replace(options, deadline_ms=time_left(options, arrived_s))
            return edge.engine.evaluate(picture, saliency, left, live.tell, journey)

        begun = await begin(edge, observation, submission.image, submit)

        async def finish(evaluated: EvaluatedPrediction) -> Response:
            timings_ms = {"decode": begun.decode_ms, **evaluated.timings_ms}
            observe_predicted(observation, evaluated.prediction, timings_ms)
            observe_receipt(observation, evaluated.receipt)
            with observation.stage("render"):
                return json_response(
                    evaluate_answer(observation.request_id, begun.picture, evaluated, timings_ms)
                )

        form = preferred(request.headers.get("accept", ""), JSON, EVENTS)
        longest_s = edge.settings.max_request_ms / 1e3
        return await deliver(
            request, form, begun.work, finish, live, arrived_s=arrived_s, longest_s=longest_s
        )

    return router
