"""``GET /v1/models``: what is served, and what is known about it."""

import os
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from service.errors import OptionError
from service.explain.method import Method
from service.explain.methods import METHODS
from service.http.answers import model_reference
from service.http.documentation import MODEL, MODELS
from service.http.edge import Edge
from service.http.reply import compressible_json_response
from service.runtime.model import LoadedModel
from service.runtime.store import ModelStore
from service.schemas import MethodBody, ModelBody, ModelsAnswer, RefusedBody

WANTS_MANIFESTS = Query(
    description="false leaves out the manifests and their certificates, most of the answer; "
    "GET /v1/models/{name} tells both of one model."
)


def model_routes(edge: Edge) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["models"])
    models = edge.engine.models

    @router.get("/v1/models", **MODELS)
    async def list_models(request: Request, *, manifest: Annotated[bool, WANTS_MANIFESTS] = True) -> Response:
        """List the models that are served, by name, newest version first."""
        served = tuple(_body(models, model) for model in models)
        if not manifest:
            served = tuple(body.model_copy(update={"manifest": {}, "certificates": {}}) for body in served)
        return compressible_json_response(request, ModelsAnswer(models=served, refused=_refused(models)))

    @router.get("/v1/models/{name}", **MODEL)
    async def describe_model(request: Request, name: str, version: str | None = None) -> Response:
        """Describe a model: its methods, their certificates, its evaluation. The newest version without one."""
        return compressible_json_response(request, _body(models, models.get(name, version)))

    return router


def _body(models: ModelStore, model: LoadedModel) -> ModelBody:
    # What has a place of its own in the answer is not told twice.
    manifest = model.manifest.model_dump(mode="json", exclude={"classes", "certificates", "evaluation"})
    known = model.manifest.model_dump(mode="json", include={"certificates", "evaluation"})
    methods = tuple(_method(model, name) for name in METHODS)
    return ModelBody(
        **model_reference(model).model_dump(),
        default=model.manifest.name == models.default,
        ready=True,
        methods=tuple(method.name for method in methods if method.available),
        classes=model.classes,
        method_details=methods,
        manifest=manifest,
        certificates=known["certificates"],
        evaluation=known["evaluation"],
    )


def _refused(models: ModelStore) -> tuple[RefusedBody, ...]:
    """Say why, by paths within the folder of bundles: where that lies is the server's business."""
    where = f"{models.folder}{os.sep}"
    return tuple(
        RefusedBody(name=name, version=version, code=error.code, detail=error.detail.replace(where, ""))
        for (name, version), error in sorted(models.refused.items())
    )


def _method(model: LoadedModel, name: str) -> MethodBody:
    method = METHODS[name]
    available = method.direction in model.directions
    return MethodBody(
        name=name,
        summary=method.summary,
        caution=method.caution,
        parameters=method.parameters.model_json_schema(),
        forwards=_forwards(model, method) if available else None,
        available=available,
        reason="" if available else model.why_not(method.direction),
    )


def _forwards(model: LoadedModel, method: Method) -> int | None:
    """Price the method's defaults; None where they do not fit, such as a window larger than the image."""
    try:
        return method.forwards(model.height, model.width, method.parameters())
    except OptionError:
        return None
