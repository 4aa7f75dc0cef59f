"""From the service's JSON to the results. The field names are the HTTP contract."""

from __future__ import annotations

from saliserve_client._version import CONTRACT, __version__
from saliserve_client.errors import UnexpectedAnswerError, VersionError
from saliserve_client.exchange import Reply
from saliserve_client.measures import measures
from saliserve_client.reading import Fields
from saliserve_client.results import (
    Certificate,
    ClassName,
    EncodedMap,
    Evaluation,
    Explanation,
    Model,
    ModelIdentity,
    OperatorScore,
    Picture,
    Prediction,
    RankedClass,
    Receipt,
    ReceiptSummary,
    Region,
    Target,
)

_CHECKS = ("mprt", "efficient_mprt", "random_logit", "planted_evidence")


def prediction(reply: Reply) -> Prediction:
    """Read the answer of ``POST /v1/predict``."""
    return _prediction(reply.fields())


def explanation(reply: Reply) -> Explanation:
    """Read the answer of ``POST /v1/explain``."""
    answer = reply.fields()
    told = answer.child("explanation")
    receipt = answer.child("receipt", optional=True)
    return Explanation(
        prediction=_prediction(answer),
        method=told.text("method"),
        parameters=told.child("parameters", optional=True).values,
        target=_target(told.child("target")),
        contrast=_contrast(told),
        seed=told.count("seed"),
        encoded_map=_map(told.child("map")),
        overlay=told.binary("overlay") if told.values.get("overlay") is not None else None,
        overlay_encoding=told.text("overlay_encoding") if told.values.get("overlay") is not None else None,
        forwards=told.count("forwards"),
        converged=told.flag("converged"),
        standard_error=_optional_map(told, "standard_error"),
        completeness_gap=told.optional_number("completeness_gap"),
        certificate=_certificate(told.child("certificate", optional=True)),
        receipt=_receipt(receipt) if receipt.values else None,
        timings_ms=answer.numbers("timings_ms"),
        warnings=answer.texts("warnings"),
        model=_identity(answer.child("model")),
        request_id=answer.text("request_id"),
        raw=answer.values,
    )


def evaluation(reply: Reply) -> Evaluation:
    """Read the answer of ``POST /v1/evaluate``."""
    answer = reply.fields()
    return Evaluation(
        prediction=_prediction(answer),
        target=_target(answer.child("target")),
        contrast=_contrast(answer),
        seed=answer.count("seed"),
        receipt=_receipt(answer.child("receipt")),
        timings_ms=answer.numbers("timings_ms"),
        warnings=answer.texts("warnings"),
        model=_identity(answer.child("model")),
        request_id=answer.text("request_id"),
        raw=answer.values,
    )


def models(reply: Reply) -> tuple[Model, ...]:
    """Read the answer of ``GET /v1/models``."""
    return tuple(_model(one) for one in reply.fields().children("models"))


def model(reply: Reply) -> Model:
    """Read the answer of ``GET /v1/models/{name}``."""
    return _model(reply.fields())


def contract(reply: Reply) -> str:
    """Read the version from ``GET /openapi.json``."""
    if reply.status == 404:  # noqa: PLR2004 - not published
        return ""
    version = reply.fields().child("info").text("version")
    if version.split(".")[0] != CONTRACT:
        raise VersionError(
            f"the service speaks version {version} of the contract, client {__version__} version {CONTRACT}: "
            "install a saliserve-client of the service's version"
        )
    return version


def ready(reply: Reply) -> bool:
    """Read the answer of ``GET /readyz``."""
    return reply.status == 200  # noqa: PLR2004 - the one status that means yes


def _prediction(answer: Fields) -> Prediction:
    told = answer.child("prediction")
    top_k = tuple(
        RankedClass(one.count("index"), one.text("label"), one.number("probability"))
        for one in told.children("top_k")
    )
    if not top_k:
        raise UnexpectedAnswerError("prediction.top_k: empty")
    return Prediction(
        top_k=top_k,
        picture=_picture(answer.child("picture")),
        model=_identity(answer.child("model")),
        timings_ms=answer.numbers("timings_ms"),
        warnings=answer.texts("warnings"),
        request_id=answer.text("request_id"),
        raw=answer.values,
    )


def _identity(told: Fields) -> ModelIdentity:
    return ModelIdentity(told.text("name"), told.text("version"), told.text("sha256"), told.text("provider"))


def _picture(told: Fields) -> Picture:
    seen = told.child("seen")
    region = Region(seen.number("left"), seen.number("top"), seen.number("width"), seen.number("height"))
    return Picture(told.count("width"), told.count("height"), region)


def _contrast(told: Fields) -> ClassName | None:
    named = told.child("contrast", optional=True)
    return ClassName(named.count("index"), named.text("label")) if named.values else None


def _optional_map(told: Fields, name: str) -> EncodedMap | None:
    encoded = told.child(name, optional=True)
    return _map(encoded) if encoded.values else None


def _target(told: Fields) -> Target:
    return Target(told.count("index"), told.text("label"), told.text("scalar"))


def _map(told: Fields) -> EncodedMap:
    shape = told.values.get("shape")
    if not isinstance(shape, list) or not all(isinstance(size, int) for size in shape):
        raise UnexpectedAnswerError(f"{told.place}.shape: {shape!r} where two counts are expected")
    return EncodedMap(
        told.text("encoding"),
        tuple(shape),
        told.number("minimum"),
        told.number("maximum"),
        told.binary("data"),
    )


def _certificate(told: Fields) -> Certificate:
    return Certificate(
        verdict=told.text("verdict", "not certified"),
        reason=told.text("reason", ""),
        checks={name: told.text(name) for name in _CHECKS if told.values.get(name) is not None},
        same_parameters=None if told.values.get("same_parameters") is None else told.flag("same_parameters"),
        raw=told.values,
    )


def _receipt(told: Fields) -> Receipt:
    protocol = told.child("protocol")
    return Receipt(
        verdict=told.text("verdict"),
        reason=told.text("reason"),
        protocol=f"{protocol.text('name')} {protocol.text('version')}",
        operators=tuple(_operator(one) for one in told.children("operators")),
        controls=told.child("controls", optional=True).values,
        summary=_summary(told.child("summary", optional=True)),
        measures=measures(told.child("measures", optional=True)),
        warnings=told.texts("warnings"),
        raw=told.values,
    )


def _operator(told: Fields) -> OperatorScore:
    return OperatorScore(
        name=told.text("name"),
        counted=told.flag("counted"),
        auc_morf=told.number("auc_morf"),
        auc_lerf=told.number("auc_lerf"),
        srg=told.number("srg"),
        z_score=told.optional_number("z_score"),
        neutral=told.child("baseline").flag("neutral"),
        raw=told.values,
    )


def _summary(told: Fields) -> ReceiptSummary | None:
    if not told.values:
        return None
    return ReceiptSummary(
        srg_mean=told.number("srg_mean"),
        z_score=told.number("z_score"),
        p_value=told.number("p_value"),
        gain=told.number("gain"),
    )


def _model(told: Fields) -> Model:
    return Model(
        name=told.text("name"),
        version=told.text("version"),
        sha256=told.text("sha256"),
        provider=told.text("provider"),
        default=told.flag("default"),
        methods=told.texts("methods"),
        classes=told.texts("classes"),
        certificates=told.child("certificates", optional=True).values,
        raw=told.values,
    )
