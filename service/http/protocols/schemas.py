"""What the other protocols send and get; their names, not ours."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from service.schemas import ModelReference, Returned


class V1Predictions(Returned):
    """Answer of ``:predict``."""

    predictions: tuple[Mapping[str, JsonValue], ...] = Field(
        description="As of POST /v1/predict, one an instance."
    )
    model: ModelReference


class V1Explanations(Returned):
    """Answer of ``:explain``."""

    explanations: tuple[Mapping[str, JsonValue], ...] = Field(
        description="As of POST /v1/explain, one an instance."
    )
    model: ModelReference


def _sendable(text: str) -> str:
    """Refuse half a surrogate pair, which JSON can escape and no answer in UTF-8 can repeat."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("it holds half a surrogate pair") from error
    return text


class Received(BaseModel):
    """Base of what v2 clients send; they may send more than the protocol names."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class InputTensor(Received):
    """A tensor that is sent."""

    name: str
    shape: tuple[int, ...]
    datatype: str
    parameters: Mapping[str, JsonValue] = Field(default_factory=dict)
    data: Any = None


class RequestedOutput(Received):
    """A tensor that is asked for."""

    name: str
    parameters: Mapping[str, JsonValue] = Field(default_factory=dict)


class InferenceRequest(Received):
    """Body of ``/infer``."""

    id: Annotated[str, AfterValidator(_sendable)] = ""
    inputs: tuple[InputTensor, ...]
    outputs: tuple[RequestedOutput, ...] = ()
    parameters: Mapping[str, JsonValue] = Field(default_factory=dict)


class OutputTensor(Returned):
    """A tensor that comes back."""

    name: str
    shape: tuple[int, ...]
    datatype: str
    parameters: Mapping[str, JsonValue] = Field(default_factory=dict)
    data: list[Any] | None = None


class InferenceResponse(Returned):
    """Answer of ``/infer``."""

    id: str
    model_name: str
    model_version: str
    outputs: tuple[OutputTensor, ...]


class TensorMetadata(Returned):
    """What a tensor looks like; -1 is any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class ServerMetadata(Returned):
    """Answer of ``GET /v2``."""

    name: str
    version: str
    extensions: tuple[str, ...]


class ServerLive(Returned):
    """Answer of ``/v2/health/live``."""

    live: bool


class ServerReady(Returned):
    """Answer of ``/v2/health/ready``."""

    ready: bool


class ModelReady(ServerReady):
    """Answer of ``/v2/models/{name}/ready``."""

    name: str


class ModelMetadata(Returned):
    """Answer of ``GET /v2/models/{name}``."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]
