"""``POST /v1/explain``: picture -> classes, a map, and how far to trust it."""

import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.arrays import Picture
from service.http.answers import explain_answer, painted
from service.http.documentation import EXPLAIN
from service.http.edge import Edge
from service.http.negotiation import preferred
from service.http.observation import observation_of
from service.http.observing import observe_explained
from service.http.options import check_fields, explain_options
from service.http.reply import EVENTS, JPEG, JSON, PNG, json_response, picture_response
from service.http.stream import Live, deliver
from service.http.submission import MASK, read_submission
from service.http.work import begin, mask_of, time_left
from service.imaging.overlay import OverlayEncoding
from service.request import ExplainedPrediction
from service.schemas import ExplainFields

ALONE: Mapping[str, OverlayEncoding] = {PNG: "png", JPEG: "jpeg"}
"""Media types of an answer that is the overlay and nothing else."""


def explain_routes(edge: Edge) -> APIRouter:
    """Make the route."""
    router = APIRouter(tags=["pictures"])

    @router.post("/v1/explain", **EXPLAIN)
    async def explain(request: Request) -> Response:
        """Classify a picture, explain the answer, and measure how faithful the explanation is."""
        arrived_s = time.perf_counter()
        observation = observation_of(request)
        with observation.stage("receive"):
            submission = await read_submission(request, edge.settings, optional=frozenset({MASK}))
        fields = check_fields(submission.options, ExplainFields)
        options = explain_options(fields, edge.settings, mask=await mask_of(edge, submission))
        observation.model = edge.engine.models.get(options.model, options.version).manifest.name
        live, journey = Live(), observation.journey()

        def submit(picture: Picture) -> "Future[ExplainedPrediction]":
            left = replace(options, deadline_ms=time_left(options, arrived_s))
            return edge.engine.explain(picture, left, live.tell, journey)

        form = preferred(request.headers.get("accept", ""), JSON, PNG, JPEG, EVENTS)
        is_painted = fields.overlay or form in ALONE
        begun = await begin(edge, observation, submission.image, submit, keep_pixels=is_painted)

        async def finish(explained: ExplainedPrediction) -> Response:
            timings_ms = {"decode": begun.decode_ms, **explained.timings_ms}
            observe_explained(observation, explained, timings_ms)
            with observation.stage("render"):
                if form in ALONE:
                    data = await edge.aside(partial(painted, begun.picture, explained, ALONE[form]))
                    return picture_response(data, form)
                return await edge.aside(
                    partial(_json, observation.request_id, begun.picture, explained, fields, timings_ms)
                )

        longest_s = edge.settings.max_request_ms / 1e3
        return await deliver(
            request, form, begun.work, finish, live, arrived_s=arrived_s, longest_s=longest_s
        )

    return router


def _json(
    request_id: str,
    picture: Picture,
    explained: ExplainedPrediction,
    fields: ExplainFields,
    timings_ms: dict[str, float],
) -> Response:
    return json_response(explain_answer(request_id, picture, explained, fields, timings_ms))
