"""What OpenAPI says about the routes whose bodies FastAPI does not read itself."""

from typing import Any, TypeAlias

from fastapi import FastAPI
from pydantic import BaseModel

from service.http.problems import PROBLEM_JSON, describe_statuses, is_failure
from service.http.reply import EVENTS, JPEG, JSON, PNG
from service.schemas import (
    EvaluateAnswer,
    EvaluateFields,
    ExplainAnswer,
    ExplainFields,
    HealthAnswer,
    ModelBody,
    ModelsAnswer,
    PredictAnswer,
    PredictFields,
    Problem,
    ProgressBody,
)

Json: TypeAlias = dict[str, Any]

BINARY: Json = {"type": "string", "format": "binary"}
_PICTURE: Json = {**BINARY, "description": "JPEG, PNG, WebP, BMP, GIF or TIFF; the content counts."}
_MAP: Json = {**BINARY, "description": "A .npy file or a grey PNG; the content counts."}
_MASK: Json = {
    **BINARY,
    "description": "A grey PNG or .npy file of the upright picture's size; whatever is not 0 is the object.",
}

TITLE = "saliserve"
DESCRIPTION = (
    "Predictions you can check: every answer can carry a saliency map and a receipt of how faithful it is."
)


_EVENT_STREAM: Json = {
    "schema": {
        "type": "string",
        "description": "Events `progress` (a ProgressBody), and in the end `result` (this answer as JSON) or `problem` "
        "(a Problem, with retry_after_s where it makes sense to try again).",
        "example": 'event: progress\ndata: {"stage":"explain","forwards_done":17,"forwards_planned":113,'
        '"remaining_ms":402.5}\n\nevent: result\ndata: {"request_id":"5f0c",...}\n\n',
    }
}


def _picture_route(
    answer: type[BaseModel], fields: type[BaseModel], optional: Json, **other_forms: Json
) -> Json:
    """Describe a route that takes a picture and options, in a form or as body and query."""
    return {
        "responses": {
            200: _done(answer, **other_forms),
            **describe_problems("caller", "picture", "model", "load"),
        },
        "openapi_extra": {"requestBody": _body(fields, optional), "parameters": _query(fields)},
    }


def _done(answer: type[BaseModel], **other_forms: Json) -> Json:
    return {"model": answer, "description": "Done.", **({"content": other_forms} if other_forms else {})}


def _body(fields: type[BaseModel], optional: Json) -> Json:
    return {
        "required": True,
        "content": {
            **_form(fields, {"image": _PICTURE}, optional),
            "image/*": {"schema": _PICTURE},
            "application/octet-stream": {"schema": _PICTURE},
        },
    }


def _form(fields: type[BaseModel], files: Json, optional: Json) -> Json:
    options = fields.model_json_schema()
    schema = {
        "type": "object",
        "required": list(files),
        "properties": {
            **files,
            **optional,
            "options": {**options, "description": "All options as one JSON part, instead of fields."},
            **_text_options(fields),
        },
    }
    return {"multipart/form-data": {"schema": schema, "encoding": {"options": {"contentType": JSON}}}}


def _query(fields: type[BaseModel]) -> list[Json]:
    return [
        {"name": name, "in": "query", "required": False, "schema": schema, "description": description}
        for name, schema in _text_options(fields).items()
        if (description := f"{schema.get('description', '')} With a raw body only.")
    ]


def _text_options(fields: type[BaseModel]) -> Json:
    """Describe options as fields and in the query, where there is no null: what is not meant is left out."""
    properties: Json = fields.model_json_schema()["properties"]
    return {name: _without_null(schema) for name, schema in properties.items() if name != "parameters"}


def _without_null(schema: Json) -> Json:
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    rest = {
        key: value for key, value in schema.items() if key != "anyOf" and (key, value) != ("default", None)
    }
    if len(choices) == 1:
        return {**choices[0], **rest}
    return {"anyOf": choices, **rest} if choices else rest


def describe_problems(*occasions: str) -> dict[int | str, Json]:
    """Failures by status; :func:`describe` turns them into problem documents."""
    return {
        status: {"model": Problem, "description": text}
        for status, text in describe_statuses(occasions).items()
    }


PREDICT = _picture_route(PredictAnswer, PredictFields, {})
EXPLAIN = _picture_route(
    ExplainAnswer,
    ExplainFields,
    {"mask": _MASK},
    **{PNG: {"schema": BINARY}, JPEG: {"schema": BINARY}, EVENTS: _EVENT_STREAM},
)
EVALUATE: Json = {
    "responses": {
        200: _done(EvaluateAnswer, **{EVENTS: _EVENT_STREAM}),
        **describe_problems("caller", "picture", "model", "load"),
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": _form(EvaluateFields, {"image": _PICTURE, "map": _MAP}, {"mask": _MASK}),
        }
    },
}
MODELS: Json = {"responses": {200: {"model": ModelsAnswer}, **describe_problems("caller", "load")}}
MODEL: Json = {"responses": {200: {"model": ModelBody}, **describe_problems("caller", "model", "load")}}
HEALTH: Json = {"responses": {200: {"model": HealthAnswer}, **describe_problems("load")}}
READY: Json = HEALTH
METRICS: Json = {
    "responses": {
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The collectors."},
        **describe_problems("load"),
    }
}


def describe(app: FastAPI, *, asks_for_keys: bool) -> None:
    """Say of every failure that it is a problem document, which FastAPI has no word for; and say of keys."""
    generate = app.openapi

    def openapi() -> Json:
        if app.openapi_schema is None:
            schema = generate()
            # No route refers to it: what an event of a stream holds has no place in OpenAPI 3.1.
            schema["components"]["schemas"][ProgressBody.__name__] = ProgressBody.model_json_schema()
            if asks_for_keys:
                _describe_keys(schema)
            for operation in _operations(schema):
                for status, response in operation["responses"].items():
                    if is_failure(int(status)):
                        response["content"] = {PROBLEM_JSON: response["content"][JSON]}
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _describe_keys(schema: Json) -> None:
    schema["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    refusal = {"content": {JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for path, operations in schema["paths"].items():
        for operation in (
            operations.values() if path.startswith(("/v1/", "/v2")) and "/health/" not in path else ()
        ):
            operation["security"] = [{"bearer": []}, {"header": []}]
            for status, text in describe_statuses(("key",)).items():
                operation["responses"][str(status)] = {"description": text, **refusal}


def _operations(schema: Json) -> list[Json]:
    return [operation for path in schema["paths"].values() for operation in path.values()]
