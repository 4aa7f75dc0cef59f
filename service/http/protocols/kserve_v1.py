"""KServe's first protocol, which is TensorFlow Serving's: ``:predict`` and ``:explain`` with JSON instances.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol and
https://www.tensorflow.org/tfx/serving/api_rest
"""

import time
from collections.abc import Mapping
from functools import partial

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from service.errors import OptionError
from service.http.answers import explain_answer, model_reference, predict_answer
from service.http.edge import Edge
from service.http.json_object import json_object
from service.http.observation import observation_of
from service.http.protocols import work
from service.http.protocols.base64_picture import from_base64
from service.http.protocols.documentation import V1_EXPLAIN, V1_PREDICT
from service.http.protocols.schemas import V1Explanations, V1Predictions
from service.http.reply import json_response
from service.http.submission import RawOptions

_MEMBERS = ("instances", "parameters", "signature_name")

_SIGNATURES = frozenset({"serving_default", ""})
"""What TensorFlow Serving takes for the default signature. Its clients name it although they need not."""

_WRAPPERS = ("image_bytes", "image", "data")
"""Names under which clients of TensorFlow Serving, KServe and TorchServe send a picture."""


def kserve_v1_routes(edge: Edge) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["KServe v1"])

    @router.post("/v1/models/{name}:predict", **V1_PREDICT)
    async def predict(request: Request, name: str) -> Response:
        """Classify pictures (KServe v1)."""
        done = await work.predict(edge, request, await _read(edge, request, name))
        observation = observation_of(request)
        with observation.stage("render"):
            bodies = [
                predict_answer(observation.request_id, picture, one, one.timings_ms) for picture, one in done
            ]
            model = model_reference(done[0][1].model)
            return json_response(
                V1Predictions(predictions=tuple(_instance(body) for body in bodies), model=model)
            )

    @router.post("/v1/models/{name}:explain", **V1_EXPLAIN)
    async def explain(request: Request, name: str) -> Response:
        """Classify and explain pictures (KServe v1)."""
        fields, done = await work.explain(edge, request, await _read(edge, request, name))
        request_id = observation_of(request).request_id

        def write() -> V1Explanations:
            bodies = [
                explain_answer(request_id, picture, one, fields, one.timings_ms) for picture, one in done
            ]
            model = model_reference(done[0][1].prediction.model)
            return V1Explanations(explanations=tuple(_instance(body) for body in bodies), model=model)

        with observation_of(request).stage("render"):
            return json_response(await edge.aside(write))

    return router


async def _read(edge: Edge, request: Request, name: str) -> work.Asked:
    arrived_s = time.perf_counter()
    with observation_of(request).stage("receive"):
        data = await request.body()
    pictures, options = await edge.aside(partial(_parsed, data))
    return work.Asked(name, None, pictures, options, arrived_s)


def _parsed(data: bytes) -> tuple[list[bytes], RawOptions]:
    """Find pictures and options in a body; for a codec thread, as it may have tens of megabytes."""
    body = json_object(data, what="the body", where="body")
    _check_members(body)
    instances, parameters = body.get("instances"), body.get("parameters", {})
    if not isinstance(instances, list):
        raise OptionError("`instances` is missing or no list", where="instances")
    if not isinstance(parameters, dict):
        raise OptionError(
            "`parameters` is no object; it holds the options of /v1/explain", where="parameters"
        )
    pictures = [_picture(instance, f"instances[{number}]") for number, instance in enumerate(instances)]
    return pictures, RawOptions(parameters, typed=True)


def _check_members(body: Mapping[str, object]) -> None:
    if "inputs" in body:
        raise OptionError(
            "`inputs`, TensorFlow Serving's form by columns, is not taken. Send the pictures by rows, as `instances`.",
            where="inputs",
        )
    unknown = sorted(body.keys() - set(_MEMBERS))
    if unknown:
        raise OptionError(f"unknown member {unknown[0]!r:.80}; known are {', '.join(_MEMBERS)}", where="body")
    signature = body.get("signature_name", "")
    if not isinstance(signature, str) or signature not in _SIGNATURES:
        raise OptionError(
            f"signature_name = {signature!r:.80}; a model here has one signature, serving_default. Leave it out.",
            where="signature_name",
        )


def _picture(instance: object, where: str) -> bytes:
    """Find the file: ``{"b64": …}``, or that under a name, or a name with the base64 itself."""
    if isinstance(instance, dict):
        if "b64" in instance:
            return from_base64(instance["b64"], where=f"{where}.b64")
        for name in _WRAPPERS:
            if name in instance:
                inner = instance[name]
                text = inner.get("b64") if isinstance(inner, dict) else inner
                return from_base64(text, where=f"{where}.{name}")
    raise OptionError(
        f'{where} is no picture; expected {{"b64": "..."}}, the base64 of a JPEG or another image file. Numbers are '
        "not taken: nothing says how they are scaled.",
        where=where,
    )


def _instance(body: BaseModel) -> Mapping[str, object]:
    """Leave out what stands once beside all of them."""
    return body.model_dump(mode="json", exclude={"request_id", "model", "timings_ms"})
