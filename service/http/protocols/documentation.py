"""What OpenAPI says about the routes of the other protocols."""

from pydantic import BaseModel

from service.http.documentation import BINARY, Json, describe_problems
from service.http.protocols.schemas import (
    InferenceResponse,
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
    V1Explanations,
    V1Predictions,
)
from service.http.reply import JSON

_OCTETS = "application/octet-stream"

_INSTANCES: Json = {
    "type": "object",
    "required": ["instances"],
    "additionalProperties": False,
    "properties": {
        "instances": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["b64"],
                "properties": {"b64": {"type": "string", "description": "An image file, base64."}},
            },
        },
        "parameters": {"type": "object", "description": "Options, as in the JSON part of our own routes."},
        "signature_name": {"type": "string", "enum": ["serving_default", ""]},
    },
}

_PARAMETERS: Json = {"type": "object", "additionalProperties": True}
_INFERENCE: Json = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string"},
        "parameters": {**_PARAMETERS, "description": "Options, as text would hold them in a form."},
        "inputs": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["name", "shape", "datatype"],
                "properties": {
                    "name": {"type": "string", "enum": ["image", "pixels"]},
                    "shape": {"type": "array", "items": {"type": "integer"}},
                    "datatype": {"type": "string", "enum": ["BYTES", "UINT8"]},
                    "parameters": _PARAMETERS,
                    "data": {"type": "array", "items": {}},
                },
            },
        },
        "outputs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "parameters": _PARAMETERS},
            },
        },
    },
}


def _route(answer: type[BaseModel], body: Json | None = None, *occasions: str, **more: Json) -> Json:
    done: Json = {"model": answer, "description": "Done.", **({"content": more} if more else {})}
    route: Json = {"responses": {200: done, **describe_problems(*occasions, "load")}}
    if body is not None:
        route["openapi_extra"] = {"requestBody": {"required": True, "content": body}}
    return route


_WORK = ("caller", "picture", "model")

V1_PREDICT = _route(V1Predictions, {JSON: {"schema": _INSTANCES}}, *_WORK)
V1_EXPLAIN = _route(V1Explanations, {JSON: {"schema": _INSTANCES}}, *_WORK)
V2_METADATA = _route(ServerMetadata)
V2_LIVE = _route(ServerLive)
V2_READY = _route(ServerReady)
V2_MODEL = _route(ModelMetadata, None, "caller", "model")
V2_MODEL_READY = _route(ModelReady, None, "caller", "model")
V2_INFER = _route(
    InferenceResponse,
    {JSON: {"schema": _INFERENCE}, _OCTETS: {"schema": BINARY}},
    *_WORK,
    **{_OCTETS: {"schema": BINARY}},
)
