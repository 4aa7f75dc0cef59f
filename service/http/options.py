"""Options as they came -> checked options, and what the engine takes."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from service.errors import OptionError
from service.explain.methods import METHODS
from service.http.submission import RawOptions
from service.imaging.region import Mask, Place
from service.request import EvaluateOptions, ExplainOptions, PredictOptions
from service.schemas import EvaluateFields, ExplainFields, PredictFields, Sent, TargetFields
from service.settings import Settings

F = TypeVar("F", bound=Sent)

PARAMETERS = "parameters"


def check_fields(raw: RawOptions, kind: type[F]) -> F:
    """Check options by name, type and range.

    As text, options may also be the chosen method's own (``window=32``), if *kind* has parameters.

    Args:
        raw: As they came.
        kind: The route's options.

    Raises:
        OptionError: An unknown name, a wrong type, a value out of range, NaN or infinity.

    Examples:
        >>> check_fields(RawOptions({"top_k": "3"}, typed=False), PredictFields).top_k
        3
    """
    if raw.typed:
        return _validated(kind, raw.values, typed=True, known=tuple(kind.model_fields))
    own = {
        name: value for name, value in raw.values.items() if name in kind.model_fields and name != PARAMETERS
    }
    rest = {name: value for name, value in raw.values.items() if name not in own}
    if PARAMETERS not in kind.model_fields:
        return _validated(kind, {**own, **rest}, typed=False, known=tuple(kind.model_fields))
    fields = _validated(kind, own, typed=False, known=())
    return fields.model_copy(update={PARAMETERS: _parameters(fields, rest, kind)})


def predict_options(fields: PredictFields, settings: Settings) -> PredictOptions:
    """Translate for the engine.

    Raises:
        OptionError: The deadline is longer than the operator allows.
    """
    return PredictOptions(
        model=fields.model,
        version=fields.version,
        top_k=fields.top_k,
        deadline_ms=_deadline_ms(fields, settings),
    )


def explain_options(fields: ExplainFields, settings: Settings, *, mask: Mask | None = None) -> ExplainOptions:
    """Translate for the engine.

    Raises:
        OptionError: The deadline is longer than the operator allows.
    """
    return ExplainOptions(
        model=fields.model,
        version=fields.version,
        top_k=fields.top_k,
        deadline_ms=_deadline_ms(fields, settings),
        target=fields.target,
        contrast=fields.contrast,
        method=fields.method,
        parameters=fields.parameters,
        receipt=fields.receipt,
        seed=fields.seed,
        max_forwards=fields.max_forwards,
        measures=fields.measures,
        place=place_of(fields, mask),
    )


def evaluate_options(
    fields: EvaluateFields, settings: Settings, *, mask: Mask | None = None
) -> EvaluateOptions:
    """Translate for the engine.

    Raises:
        OptionError: The deadline is longer than the operator allows.
    """
    return EvaluateOptions(
        model=fields.model,
        version=fields.version,
        top_k=fields.top_k,
        deadline_ms=_deadline_ms(fields, settings),
        target=fields.target,
        contrast=fields.contrast,
        receipt=fields.receipt,
        seed=fields.seed,
        max_forwards=fields.max_forwards,
        measures=fields.measures,
        made_with=fields.made_with,
        place=place_of(fields, mask),
    )


def place_of(fields: TargetFields, mask: Mask | None) -> Place | None:
    """Say where the caller says that the object is; None if nothing is said.

    Args:
        fields: Checked.
        mask: Read; None if none was sent.
    """
    if mask is None and fields.boxes is None:
        return None
    return Place(boxes=fields.boxes or (), mask=mask)


def _parameters(fields: Sent, rest: Mapping[str, object], kind: type[Sent]) -> Mapping[str, object]:
    """Check what is left over against the method's own options. An unknown method is the engine's to refuse."""
    method = METHODS.get(getattr(fields, "method", ""))
    if method is None:
        return rest
    known = (*(name for name in kind.model_fields if name != PARAMETERS), *method.parameters.model_fields)
    return _validated(method.parameters, rest, typed=False, known=known).model_dump(exclude_unset=True)


M = TypeVar("M", bound=BaseModel)


def _validated(kind: type[M], values: Mapping[str, object], *, typed: bool, known: tuple[str, ...]) -> M:
    try:
        if typed:
            return kind.model_validate(dict(values), strict=True)
        return kind.model_validate_strings(dict(values))
    except ValidationError as error:
        raise _refusal(error, known) from error


def _refusal(error: ValidationError, known: tuple[str, ...]) -> OptionError:
    fault = error.errors(include_url=False)[0]
    name = str(fault["loc"][0]) if fault["loc"] else "options"
    where = f"options.{name[:80]}"
    if fault["type"] == "extra_forbidden":
        return OptionError(f"unknown option {name!r:.80}. Known are: {', '.join(known)}.", where=where)
    return OptionError(f"{name} = {fault['input']!r:.80}: {fault['msg']}.", where=where)


def _deadline_ms(fields: PredictFields, settings: Settings) -> float | None:
    if fields.deadline_ms is not None and fields.deadline_ms > settings.max_deadline_ms:
        raise OptionError(
            f"deadline_ms = {fields.deadline_ms:g}; this service allows at most {settings.max_deadline_ms:g}.",
            where="options.deadline_ms",
        )
    return fields.deadline_ms
