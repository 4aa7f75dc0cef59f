"""Send thousands of generated requests and see that the service keeps to its published OpenAPI document.

    python -m scripts.check_openapi --cases 300 --seed 1

For every operation schemathesis makes requests that fit the document and requests that do not. A 5xx other than
503, a status or a media type that is not documented, and a body that does not fit its schema are faults.
"""

import argparse
import io
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import hypothesis
import numpy as np
import PIL.Image
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, strategies
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.engine import Engine
from service.http.application import create_app
from service.runtime.device import choose_device
from service.runtime.store import ModelStore
from service.settings import Settings

CHECKS = [content_type_conformance, response_schema_conformance, status_code_conformance]
HONEST = 503
"""The only 5xx that a request may get: the queue is full."""


def operations(app: FastAPI) -> Iterator[Any]:
    """Read the published document."""
    for result in schemathesis.openapi.from_asgi("/openapi.json", app).get_all_operations():
        yield result.ok()  # type: ignore[union-attr]  # a document that cannot be read raises here


def check_operation(operation: Any, *, model: str, cases: int, seed: int) -> Counter[int]:
    """Send generated requests to one operation.

    Returns:
        The statuses that came back.

    Raises:
        Exception: The service broke its word; says how, and with which request.
    """
    statuses = Counter[int]()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=cases, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(), is_real=strategies.booleans())
    def send(case: Any, is_real: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        if is_real:
            _name_what_exists(case, model)
        answer = case.call()
        statuses[int(answer.status_code)] += 1
        if answer.status_code > 499 and answer.status_code != HONEST:  # noqa: PLR2004 - the server's own faults
            raise AssertionError(f"{answer.status_code} to {case.as_curl_command()}: {answer.text[:500]}")
        case.validate_response(answer, checks=CHECKS)

    send()
    return statuses


def picture() -> bytes:
    """Make a small PNG."""
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (16, 16), "red").save(buffer, "PNG")
    return buffer.getvalue()


def saliency() -> bytes:
    """Make a map as numpy writes it."""
    buffer = io.BytesIO()
    np.save(buffer, np.arange(256, dtype=np.float32).reshape(16, 16))
    return buffer.getvalue()


PICTURE = picture()
BASE64 = b64encode(PICTURE).decode()


def use_pictures() -> None:
    """Let half of the binary parts be pictures; random bytes get no further than the decoder."""
    pictures = strategies.sampled_from([PICTURE, PICTURE[:-20]])
    schemathesis.openapi.format("binary", strategies.binary() | pictures)


def _name_what_exists(case: Any, model: str) -> None:
    """Names made up at random find nothing, and text made up at random is no picture."""
    if "name" in (case.path_parameters or {}):
        case.path_parameters = {**case.path_parameters, "name": model, "version": "1"}
    for part in (case.query, case.body):
        if isinstance(part, dict):
            for name in ("model", "version", "target", "contrast"):
                part.pop(name, None)
    if isinstance(case.body, dict):
        case.body.update({name: made for name, made in _REAL.items() if name in case.body})


_REAL: Mapping[str, Any] = {
    "image": PICTURE,
    "map": saliency(),
    "instances": [{"b64": BASE64}],
    "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [BASE64]}],
}
"""What takes the place of generated pictures: files of forms, and what other protocols have instead."""


def main() -> None:
    """Check every operation and print what came of it; end with 1 if there was a fault."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=300, help="requests for each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the generation (default: %(default)s)")
    parser.add_argument("--only", default="", help="operations whose method and path hold this text")
    parser.add_argument("--model", default="cifar10-standard", help="that answers (default: %(default)s)")
    arguments = parser.parse_args()
    settings = Settings(provider="cpu", threads=1, default_model=arguments.model)
    total, faults = Counter[int](), 0
    with Engine(
        ModelStore(settings.models, choose_device("cpu", threads=1), default=arguments.model)
    ) as engine:
        use_pictures()
        for operation in operations(create_app(engine, settings)):
            if arguments.only not in operation.label:
                continue
            try:
                statuses = check_operation(
                    operation, model=arguments.model, cases=arguments.cases, seed=arguments.seed
                )
            except Exception as error:  # noqa: BLE001 - the outermost loop: one operation's fault is one line
                faults += 1
                print(f"FAULT {operation.label}: {str(error)[:3000]}", flush=True)
                continue
            total.update(statuses)
            print(f"{operation.label}: {sum(statuses.values())} {dict(sorted(statuses.items()))}", flush=True)
    print(f"{sum(total.values())} requests without fault, {dict(sorted(total.items()))}; {faults} faults")
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
