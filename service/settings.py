"""The operator's settings: environment variables ``SALISERVE_*``, typed and checked.

An unknown name or a bad value stops the start; nothing is corrected silently.
"""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from service.contradictions import MEBIBYTE, contradictions
from service.errors import SettingsError

PREFIX = "SALISERVE_"


def _split(value: object) -> object:
    """Split a comma-separated list; blanks around the parts do not count."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""``a,b`` in the environment; pydantic-settings would ask for JSON."""

BESIDE_THE_CODE = Path(__file__).resolve().parent.parent / "models"
"""In a checkout, a bento and an image alike, ``models/`` lies beside ``service/``."""


SHIPPED_DEFAULT = "imagenet-efficientnet-lite0"
"""The model that answers out of the box; the project ships others beside it."""


class Settings(BaseSettings):
    """What the operator decides. Every field is the environment variable ``SALISERVE_<FIELD>``.

    Example:
        >>> Settings(max_side=4096).max_side
        4096
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, allow_inf_nan=False, env_ignore_empty=False
    )

    models: Path = Field(BESIDE_THE_CODE, description="Folder of bundles, <name>/<version>/.")
    default_model: str | None = Field(
        None, description="Model of requests that name none; needed only where several are served."
    )
    reload_ms: float = Field(
        5_000,
        ge=0,
        description="How often the folder of bundles is looked at for new, changed and removed ones; 0: never.",
    )
    max_memory_bytes: int = Field(
        0,
        ge=0,
        description="Most memory that a worker process may hold when a model has been loaded beside the default "
        "one; a model beyond it is refused. 0: no limit.",
    )

    provider: Literal["auto", "cuda", "cpu"] = Field(
        "auto", description="auto: CUDA if a device is there, else CPU. cuda, cpu: that one."
    )
    provider_fallback: bool = Field(
        False, description="With provider=cuda: start on the CPU, loudly, when CUDA is not to be had."
    )
    threads: int = Field(
        0, ge=0, le=1024, description="ONNX Runtime's threads per operator on the CPU; 0: one per core."
    )
    queue_forwards: int = Field(
        10_000,
        ge=1,
        description="Most forward passes waiting before a request, of its own kind and of kinds that go first; "
        "further ones get 503 and Retry-After.",
    )
    default_deadline_ms: float = Field(
        30_000, gt=0, description="Deadline of requests that set none, in milliseconds."
    )
    max_deadline_ms: float = Field(120_000, gt=0, description="Longest deadline that a request may ask for.")
    max_request_ms: float = Field(
        180_000,
        gt=0,
        description="Any request is given up after this, its upload included; more than any deadline.",
    )

    drain_ms: float = Field(
        0,
        ge=0,
        description="On SIGTERM /readyz fails at once, and the port closes no sooner than this: the time that a "
        "load balancer needs to notice. Requests under way are answered in any case.",
    )

    max_body_bytes: int = Field(
        20 * MEBIBYTE, ge=1024, description="Longest request body; enforced while it arrives."
    )
    max_uploads_mib: int = Field(
        512,
        ge=1,
        description="Most mebibytes that the bodies of all requests under way may hold together, in each worker "
        "process; further ones get 503 and Retry-After. Twice that is used at the most, where all are put together "
        "at once.",
    )
    max_pixels: int = Field(
        50_000_000,
        ge=1,
        le=178_956_970,  # Pillow refuses more by itself
        description="Most pixels of a picture; checked before it is decoded.",
    )
    max_side: int = Field(16_384, ge=1, description="Longest side of a picture, in pixels.")
    min_side: int = Field(
        8, ge=1, description="Shortest side of a picture, in pixels: less is no picture to classify."
    )
    max_decode_ms: float = Field(
        5_000, gt=0, description="Longest time that decoding one picture may take, in milliseconds."
    )
    max_form_fields: int = Field(64, ge=1, le=1000, description="Most fields of a multipart form.")
    max_field_bytes: int = Field(
        64 * 1024, ge=1024, description="Longest text field of a form, the JSON part options included."
    )
    max_instances: int = Field(
        16,
        ge=1,
        le=1000,
        description="Most pictures in one request of the KServe and Open Inference protocols.",
    )
    codec_threads: int = Field(
        2, ge=1, le=64, description="Pictures decoded and maps encoded at the same time."
    )

    keys_file: Path | None = Field(
        None,
        description="File of the API keys that are accepted, a line name:sha256 each; without any key everybody "
        "may call.",
    )
    keys: CommaSeparated = Field((), description="More of such lines, comma-separated.", repr=False)
    key_forwards_per_s: float = Field(
        0,
        ge=0,
        description="Forward passes per second that each key may use, counted by every worker process for itself; "
        "beyond it 429 and Retry-After. 0: any.",
    )
    key_burst_forwards: float = Field(
        10_000, ge=1, description="Forward passes that a key which has been quiet may use at once."
    )
    guard_metrics: bool = Field(False, description="Where there are keys, ask for one on /metrics too.")
    guard_docs: bool = Field(
        False, description="Where there are keys, ask for one on /docs, /openapi.json and the web page too."
    )
    cors_origins: CommaSeparated = Field(
        (), description="Origins that browsers may call from, comma-separated; none by default."
    )
    docs: bool = Field(True, description="Serve /docs and /openapi.json.")
    traces_endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^/]",
        description="Where OpenTelemetry traces of requests are sent, by OTLP over HTTP, such as "
        "http://collector:4318/v1/traces; needs the dependency group serve-otel. None: no traces.",
    )
    traces_ratio: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of the requests that are traced; for those within a caller's trace the caller decides.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level logged.")

    @model_validator(mode="after")
    def _nothing_rules_out_another(self) -> Self:
        if found := list(contradictions(self.__dict__, PREFIX)):
            raise ValueError("; ".join(found))
        return self

    @property
    def max_upload_bytes(self) -> int:
        """What the bodies of all requests under way may hold together.

        Examples:
            >>> Settings(max_uploads_mib=20).max_upload_bytes == Settings().max_body_bytes
            True
        """
        return self.max_uploads_mib * MEBIBYTE

    @property
    def default_model_name(self) -> str | None:
        """The model of requests that name none; None where a folder of one's own holds just one.

        Examples:
            >>> Settings().default_model_name
            'imagenet-efficientnet-lite0'
            >>> Settings(models=Path("mine")).default_model_name is None
            True
        """
        shipped = SHIPPED_DEFAULT if self.models == BESIDE_THE_CODE else None
        return self.default_model or shipped

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the process's environment.

        Raises:
            SettingsError: A variable ``SALISERVE_*`` has no meaning here or a bad value; all are named.
        """
        unknown = sorted(
            name
            for name in os.environ
            if name.upper().startswith(PREFIX)
            and name.upper().removeprefix(PREFIX).lower() not in cls.model_fields
        )
        if unknown:
            known = ", ".join(PREFIX + field.upper() for field in cls.model_fields)
            raise SettingsError(f"unknown setting {', '.join(unknown)}; known are {known}", where=unknown[0])
        try:
            return cls()
        except (ValidationError, SourceError) as error:
            raise SettingsError(_describe(error)) from error


def _describe(error: ValidationError | SourceError) -> str:
    """Name every bad variable with what was found and what was expected."""
    if isinstance(error, SourceError):
        return str(error)
    return "; ".join(_one(problem) for problem in error.errors())


def _one(problem: ErrorDetails) -> str:
    if not problem["loc"]:  # of several variables together
        return problem["msg"]
    name = PREFIX + ".".join(str(part) for part in problem["loc"]).upper()
    return f"{name}={problem['input']!r}: {problem['msg']}"
