"""``POST /v1/predict``: picture -> classes."""

import time
from concurrent.futures import Future
from dataclasses import replace

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.arrays import Picture
from service.http.answers import predict_answer
from service.http.documentation import PREDICT
from service.http.edge import Edge
from service.http.observation import observation_of
from service.http.observing import observe_predicted
from service.http.options import check_fields, predict_options
from service.http.reply import json_response
from service.http.submission import read_submission
from service.http.waiting import answer
from service.http.work import begin, time_left
from service.request import Prediction
from service.schemas import PredictFields


def predict_routes(edge: Edge) -> APIRouter:
    """Make the route."""
    router = APIRouter(tags=["pictures"])

    @router.post("/v1/predict", **PREDICT)
    async def predict(request: Request) -> Response:
        """Classify a picture."""
        arrived_s = time.perf_counter()
        observation = observation_of(request)
        with observation.stage("receive"):
            submission = await read_submission(request, edge.settings)
        options = predict_options(check_fields(submission.options, PredictFields), edge.settings)
        observation.model = edge.engine.models.get(options.model, options.version).manifest.name
        journey = observation.journey()

        def submit(picture: Picture) -> "Future[Prediction]":
            left = replace(options, deadline_ms=time_left(options, arrived_s))
            return edge.engine.predict(picture, left, journey)

        begun = await begin(edge, observation, submission.image, submit)
        prediction = await answer(request, begun.work)
        timings_ms = {"decode": begun.decode_ms, **prediction.timings_ms}
        observe_predicted(observation, prediction, timings_ms)
        with observation.stage("render"):
            return json_response(
                predict_answer(observation.request_id, begun.picture, prediction, timings_ms)
            )

    return router
