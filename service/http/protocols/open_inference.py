"""The Open Inference Protocol v2, which Triton and KServe speak; explanations are outputs on request."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from service.arrays import Picture
from service.errors import OptionError
from service.http.answers import painted, receipt_body
from service.http.drain import Drain
from service.http.edge import Edge
from service.http.json_object import json_object
from service.http.observation import observation_of
from service.http.protocols import work
from service.http.protocols.documentation import (
    V2_INFER,
    V2_LIVE,
    V2_METADATA,
    V2_MODEL,
    V2_MODEL_READY,
    V2_READY,
)
from service.http.protocols.schemas import (
    InferenceRequest,
    InferenceResponse,
    ModelMetadata,
    ModelReady,
    RequestedOutput,
    ServerLive,
    ServerMetadata,
    ServerReady,
    TensorMetadata,
)
from service.http.protocols.tensors import IMAGE, PIXELS, Output, best_classes, read_pictures, write_output
from service.http.reply import json_response
from service.http.submission import RawOptions
from service.http.work import Sent
from service.request import ExplainedPrediction, Prediction
from service.runtime.model import LoadedModel

HEADER_LENGTH = "Inference-Header-Content-Length"
"""Bytes of JSON, where tensors in binary form follow."""

_MOST_DIGITS = 20
"""Of a number of bytes; HTTP's own lengths have no more."""

EXTENSIONS = ("binary_tensor_data", "classification")

Done = Sequence[tuple[Picture, Prediction]]
Explained = Sequence[tuple[Picture, ExplainedPrediction]]


def _scores(done: Done, of: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """``[N, C]`` in the order of the classes; the answer is in that of its ranking."""
    ranked = [sorted(prediction.top_k, key=lambda one: one.index) for _, prediction in done]
    return np.array([[getattr(one, of) for one in row] for row in ranked], np.float32)


_PREDICTED: Mapping[str, Callable[[Done], Output]] = {
    "probabilities": lambda done: Output("probabilities", _scores(done, "probability")),
    "logits": lambda done: Output("logits", _scores(done, "logit")),
    "class": lambda done: Output("class", np.array([one.top_k[0].index for _, one in done], np.int64)),
    "label": lambda done: Output("label", [one.top_k[0].label.encode() for _, one in done]),
}
_EXPLAINED: Mapping[str, Callable[[Explained], Output]] = {
    "map": lambda done: Output("map", np.stack([one.explanation.map.astype(np.float32) for _, one in done])),
    "overlay": lambda done: Output("overlay", [painted(*one, "png") for one in done], is_text=False),
}
_MEASURED: Mapping[str, Callable[[Explained], Output]] = {
    "verdict": lambda done: Output(
        "verdict", [one.receipt.verdict.value.encode() if one.receipt else b"" for _, one in done]
    ),
    "receipt": lambda done: Output(
        "receipt",
        [receipt_body(one.receipt).model_dump_json().encode() if one.receipt else b"" for _, one in done],
    ),
}


def open_inference_routes(edge: Edge, drain: Drain, *, version: str) -> APIRouter:
    """Make the routes.

    Args:
        edge: What routes need.
        drain: Knows whether requests are welcome.
        version: Of the HTTP contract.
    """
    router = APIRouter(tags=["Open Inference v2"])
    models = edge.engine.models

    @router.get("/v2", **V2_METADATA)
    async def metadata() -> Response:
        """Name the server and its extensions."""
        return json_response(ServerMetadata(name="saliserve", version=version, extensions=EXTENSIONS))

    @router.get("/v2/health/live", **V2_LIVE)
    async def live() -> Response:
        """Tell that the process answers."""
        return json_response(ServerLive(live=True))

    @router.get("/v2/health/ready", **V2_READY)
    async def ready() -> Response:
        """Tell whether requests are welcome: 503 while the service drains."""
        drain.check()
        return json_response(ServerReady(ready=True))

    @router.get("/v2/models/{name}/versions/{version}", **V2_MODEL)
    @router.get("/v2/models/{name}", **V2_MODEL)
    async def model_metadata(name: str, version: str | None = None) -> Response:
        """Describe a model's tensors."""
        model = models.get(name, version)
        return json_response(_metadata(model, [one.manifest.version for one in models if one.name == name]))

    @router.get("/v2/models/{name}/versions/{version}/ready", **V2_MODEL_READY)
    @router.get("/v2/models/{name}/ready", **V2_MODEL_READY)
    async def model_ready(name: str, version: str | None = None) -> Response:
        """Tell whether a model answers."""
        return json_response(ModelReady(name=models.get(name, version).name, ready=True))

    @router.post("/v2/models/{name}/versions/{version}/infer", **V2_INFER)
    @router.post("/v2/models/{name}/infer", **V2_INFER)
    async def infer(request: Request, name: str, version: str | None = None) -> Response:
        """Classify pictures, and explain them where an output asks for it."""
        return await _infer(edge, request, name, version)

    return router


async def _infer(edge: Edge, request: Request, name: str, version: str | None) -> Response:
    arrived_s = time.perf_counter()
    observation = observation_of(request)
    with observation.stage("receive"):
        body = await request.body()
    asked, pictures = await edge.aside(partial(_read, request, body))
    outputs = asked.outputs or tuple(RequestedOutput(name=name) for name in _PREDICTED)
    _check_names([one.name for one in outputs])
    options = RawOptions(_options(asked), typed=False)
    job = work.Asked(name, version, pictures, options, arrived_s)
    names = {one.name for one in outputs}
    if names & (_EXPLAINED.keys() | _MEASURED.keys()):
        made = await _explained(edge, request, job, names)
    else:
        done = await work.predict(edge, request, job)
        made = done[0][1].model, {each: write(done) for each, write in _PREDICTED.items() if each in names}
    with observation.stage("render"):
        return await edge.aside(lambda: _reply(asked, outputs, *made))


async def _explained(
    edge: Edge, request: Request, job: work.Asked, names: set[str]
) -> tuple[LoadedModel, dict[str, Output]]:
    classes = len(edge.engine.models.get(job.model, job.version).classes)
    receipt = "fast" if names & _MEASURED.keys() else "none"
    paints = "overlay" in names
    _, done = await work.explain(edge, request, job, paints=paints, receipt=receipt, top_k=str(classes))
    predicted = [(picture, one.prediction) for picture, one in done]

    def write() -> dict[str, Output]:
        return {
            **{name: make(predicted) for name, make in _PREDICTED.items() if name in names},
            **{name: make(done) for name, make in {**_EXPLAINED, **_MEASURED}.items() if name in names},
        }

    with observation_of(request).stage("render"):
        return done[0][1].prediction.model, await edge.aside(write)


def _read(request: Request, body: bytes) -> tuple[InferenceRequest, list[Sent]]:
    """Find the pictures in a body, and what is asked of them; for a codec thread, as it may have tens of megabytes."""
    text = request.headers.get(HEADER_LENGTH, str(len(body)))
    # Python refuses to read numbers of thousands of digits.
    length = int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else len(body) + 1
    if length > len(body):
        raise OptionError(
            f"{HEADER_LENGTH} is {text!r:.30}; the body has {len(body)} bytes", where=HEADER_LENGTH
        )
    values = json_object(body[:length], what="the body", where="body")
    try:
        asked = InferenceRequest.model_validate(values)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])[:80]
        raise OptionError(f"{where}: {fault['msg']}", where=where) from error
    return _without_data(asked), read_pictures(asked.inputs, body[length:])


def _without_data(asked: InferenceRequest) -> InferenceRequest:
    """Let go of the tensors, which would wait for the device with the request, some ten times what they are as pixels."""
    return asked.model_copy(update={"inputs": ()})


def _options(asked: InferenceRequest) -> Mapping[str, object]:
    """Take the request's parameters as options; those that the protocol or its clients mean are left out."""
    options = {name: value for name, value in asked.parameters.items() if name != "binary_data_output"}
    for name, value in options.items():
        if not isinstance(value, str | int | float):
            raise OptionError(f"parameters.{name[:60]} is no string, number or boolean", where="parameters")
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in options.items()
    }


def _check_names(names: Sequence[str]) -> None:
    known = [*_PREDICTED, *_EXPLAINED, *_MEASURED]
    for name in names:
        if name not in known or names.count(name) > 1:
            raise OptionError(
                f"output {name!r:.80} is unknown or asked for twice; known are {', '.join(known)}",
                where="outputs",
            )


def _reply(
    asked: InferenceRequest,
    outputs: Sequence[RequestedOutput],
    model: LoadedModel,
    made: Mapping[str, Output],
) -> Response:
    by_default = asked.parameters.get("binary_data_output") is True
    described, raw = [], []
    for wanted in outputs:
        output = made[wanted.name]
        count = wanted.parameters.get("classification")
        if isinstance(count, int) and count > 0 and wanted.name in {"probabilities", "logits"}:
            output = best_classes(output, model.classes, count)
        is_binary = wanted.parameters.get("binary_data", by_default) is True
        tensor, data = write_output(output, is_binary=is_binary)
        described.append(tensor)
        raw.append(data)
    body = InferenceResponse(
        id=asked.id, model_name=model.name, model_version=model.manifest.version, outputs=tuple(described)
    )
    if not any(raw):
        return json_response(body)
    text = body.model_dump_json(exclude_none=True).encode()
    headers = {HEADER_LENGTH: str(len(text)), "Content-Type": "application/octet-stream"}
    return Response(b"".join([text, *raw]), headers=headers)


def _metadata(model: LoadedModel, versions: Sequence[str]) -> ModelMetadata:
    classes = len(model.classes)
    tensors = {
        "probabilities": ("FP32", (-1, classes)),
        "logits": ("FP32", (-1, classes)),
        "class": ("INT64", (-1,)),
        "label": ("BYTES", (-1,)),
        "map": ("FP32", (-1, model.height, model.width)),
        "overlay": ("BYTES", (-1,)),
        "verdict": ("BYTES", (-1,)),
        "receipt": ("BYTES", (-1,)),
    }
    return ModelMetadata(
        name=model.name,
        versions=tuple(versions),
        platform="onnxruntime_onnx",
        inputs=(
            TensorMetadata(name=IMAGE, datatype="BYTES", shape=(-1,)),
            TensorMetadata(name=PIXELS, datatype="UINT8", shape=(-1, -1, -1, 3)),
        ),
        outputs=tuple(
            TensorMetadata(name=name, datatype=datatype, shape=shape)
            for name, (datatype, shape) in tensors.items()
        ),
    )
