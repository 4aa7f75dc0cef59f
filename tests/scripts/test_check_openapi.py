"""The service keeps to the OpenAPI document that it publishes; the script sends thousands of requests."""

from collections import Counter

import pytest

from scripts.check_openapi import check_operation, operations, use_pictures
from service.engine import Engine
from service.http.application import create_app
from service.settings import Settings
from tests.service.http.conftest import engine, models, settings

__all__ = ["engine", "models", "settings"]

CASES = 8


@pytest.mark.filterwarnings("ignore")  # of libraries that generate what nobody else would send
def test_generated_requests_get_what_the_document_says(engine: Engine, settings: Settings) -> None:
    """Statuses, media types and bodies, for what fits the document and for what does not."""
    use_pictures()
    statuses = Counter[int]()
    for operation in operations(create_app(engine, settings)):
        statuses += check_operation(operation, model="colours", cases=CASES, seed=1)

    assert statuses[200] > 10
    assert statuses[422] > 10
