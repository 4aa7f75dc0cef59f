"""What is published about the routes is complete, and complete by itself."""

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.engine import Engine
from service.http.application import create_app
from service.schemas import EvaluateFields, ExplainFields, PredictFields
from service.settings import Settings


@pytest.fixture(scope="module")
def published(client: TestClient) -> dict[str, Any]:
    """The OpenAPI document."""
    document: dict[str, Any] = client.get("/openapi.json").json()
    return document


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    """FastAPI's own page asks a content network, BentoML's a tracker; neither works offline."""
    page = client.get("/docs")
    links = re.findall(r"""(?:src|href)=["']([^"']*)["']|url:\s*'([^']*)'""", page.text)

    assert {link for pair in links for link in pair if link} == {
        "/docs/assets/swagger-ui.css",
        "/docs/assets/swagger-ui-bundle.js",
        "/openapi.json",
        "data:,",
    }
    for link in ("/docs/assets/swagger-ui.css", "/docs/assets/swagger-ui-bundle.js"):
        assert len(client.get(link).content) > 100_000
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe-eval" not in page.headers["content-security-policy"]


def test_the_docs_can_be_switched_off(engine: Engine, settings: Settings) -> None:
    """With them goes the document that they show, and the page's link to them."""
    client = TestClient(create_app(engine, settings.model_copy(update={"docs": False})))

    assert {client.get(path).status_code for path in ("/docs", "/openapi.json")} == {404}
    assert 'href="docs"' not in client.get("/").text


@pytest.mark.parametrize("docs", [True, False])
def test_what_is_not_found_points_to_what_is_there(engine: Engine, settings: Settings, *, docs: bool) -> None:
    """To the list of routes if it is served; where it is switched off it would be the next 404."""
    client = TestClient(create_app(engine, settings.model_copy(update={"docs": docs})))

    detail = client.get("/nothing").json()["detail"]

    assert ("/openapi.json lists" in detail) == docs
    assert ("docs/http.md" in detail) == (not docs)


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        ("/v1/predict", {"200", "400", "404", "413", "415", "422", "500", "503", "504"}),
        ("/v1/explain", {"200", "400", "404", "413", "415", "422", "500", "503", "504"}),
        ("/v1/evaluate", {"200", "400", "404", "413", "415", "422", "500", "503", "504"}),
        ("/v1/models/{name}", {"200", "400", "404", "422", "500", "503", "504"}),
        ("/v1/models", {"200", "400", "422", "500", "503", "504"}),
        ("/readyz", {"200", "500", "503", "504"}),
    ],
)
def test_every_status_is_documented(published: dict[str, Any], path: str, statuses: set[str]) -> None:
    """Each failure as a problem document."""
    (operation,) = published["paths"][path].values()

    assert set(operation["responses"]) == statuses
    for status, response in operation["responses"].items():
        if status != "200":
            assert response["content"] == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }


@pytest.mark.parametrize(
    ("path", "fields", "files"),
    [("/v1/predict", PredictFields, {"image"}), ("/v1/explain", ExplainFields, {"image", "mask"})],
)
def test_every_option_is_documented_each_way(
    published: dict[str, Any], path: str, fields: type[PredictFields], files: set[str]
) -> None:
    """In the form, in the JSON part, and in the query."""
    operation = published["paths"][path]["post"]
    form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    query = {parameter["name"] for parameter in operation["parameters"]}
    options = set(fields.model_fields)

    assert set(form["options"]["properties"]) == options
    assert set(form) == query | files | {"options"}
    assert query == options - {"parameters"}
    assert "image/*" in operation["requestBody"]["content"]


def test_the_form_of_an_evaluation_has_two_files(published: dict[str, Any]) -> None:
    """Which no raw body can hold, so there is no other way, and no query."""
    operation = published["paths"]["/v1/evaluate"]["post"]
    (form,) = operation["requestBody"]["content"].values()

    assert form["schema"]["required"] == ["image", "map"]
    files = {"image", "map", "mask"}
    assert set(form["schema"]["properties"]) == files | {"options", *EvaluateFields.model_fields}
    assert "parameters" not in operation


def test_every_reference_in_the_document_resolves(published: dict[str, Any]) -> None:
    """Generators of clients stop at the first that does not."""
    references = set(re.findall(r"'\$ref': '([^']*)'", str(published)))

    assert references
    assert references <= {f"#/components/schemas/{name}" for name in published["components"]["schemas"]}
