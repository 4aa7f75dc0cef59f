import base64
import io
import json
import sys
from typing import Any

import numpy as np
import pytest
from saliserve_client import Explanation, errors
from saliserve_client.answers import explanation
from saliserve_client.exchange import Reply

from tests.client.answers import explain_answer


def read(answer: dict[str, Any]) -> Explanation:
    return explanation(Reply(200, {}, json.dumps(answer).encode()))


def test_a_map_needs_numpy_and_its_bytes_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """numpy is 20 times the size of the client; who only wants files does without it."""
    found = read(explain_answer())
    monkeypatch.setitem(sys.modules, "numpy", None)

    with pytest.raises(errors.MissingPackageError, match=r"saliserve-client\[numpy\]"):
        _ = found.map
    assert found.encoded_map.data.startswith(b"\x93NUMPY")


def test_a_map_is_decoded() -> None:
    assert read(explain_answer()).map.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


def test_a_map_of_another_shape_than_it_says_is_refused() -> None:
    answer = explain_answer()
    answer["explanation"]["map"]["shape"] = [3, 2]

    with pytest.raises(errors.UnexpectedAnswerError, match="shape"):
        _ = read(answer).map


def test_results_cannot_be_changed() -> None:
    """Somebody else may hold the same object."""
    with pytest.raises(AttributeError):
        read(explain_answer()).seed = 1  # type: ignore[misc]


def test_fields_that_a_newer_service_adds_do_no_harm() -> None:
    answer = explain_answer()
    answer["explanation"]["entropy"] = 3.2
    answer["new"] = {}

    assert read(answer) == read(explain_answer())


@pytest.mark.parametrize(
    "place",
    [
        ("prediction",),
        ("prediction", "top_k"),
        ("model", "sha256"),
        ("explanation", "map", "data"),
        ("explanation", "converged"),
        ("explanation", "target", "index"),
        ("receipt", "verdict"),
        ("request_id",),
    ],
)
def test_a_field_that_is_missing_is_named(place: tuple[str, ...]) -> None:
    """A KeyError deep in the client tells its user nothing."""
    answer = explain_answer()
    part = answer
    for name in place[:-1]:
        part = part[name]
    del part[place[-1]]

    with pytest.raises(errors.UnexpectedAnswerError, match=r"\.".join(place)):
        read(answer)


@pytest.mark.parametrize(("encoding", "suffix"), [("png", ".png"), ("jpeg", ".jpg")])
def test_an_overlay_shows_itself_in_a_notebook_as_what_it_is(encoding: str, suffix: str) -> None:
    """Jupyter draws nothing for a JPEG that says it is a PNG."""
    answer = explain_answer()
    answer["explanation"]["overlay_encoding"] = encoding
    found = read(answer)

    shown = {"png": found._repr_png_(), "jpeg": found._repr_jpeg_()}
    assert [name for name, data in shown.items() if data is not None] == [encoding]
    assert found.overlay_suffix == suffix


def test_an_explanation_without_receipt_or_overlay_has_none() -> None:
    answer = explain_answer()
    answer["receipt"] = answer["explanation"]["overlay"] = None
    found = read(answer)

    assert (found.receipt, found.overlay, found._repr_png_()) == (None, None, None)
    with pytest.raises(ValueError, match="overlay=True"):
        found.save_overlay("x.png")


def test_a_notebook_shows_no_markup_of_the_answer() -> None:
    """Labels come from whoever made the model."""
    answer = explain_answer()
    answer["prediction"]["top_k"][0]["label"] = "<script>alert(1)</script>"
    answer["receipt"]["reason"] = '"><img src=x onerror=alert(1)>'

    shown = read(answer)._repr_html_()

    assert "<script" not in shown
    assert "<img src=x" not in shown
    assert "&lt;script&gt;" in shown


def test_a_map_that_cannot_be_scored_has_no_summary() -> None:
    """The service sends an empty object then; zeros in its place would read as chance."""
    answer = explain_answer()
    answer["receipt"]["summary"] = {}
    receipt = read(answer).receipt

    assert receipt is not None
    assert receipt.summary is None


def test_npy_of_another_byte_order_is_the_same_map() -> None:
    answer = explain_answer()
    buffer = io.BytesIO()
    np.save(buffer, np.arange(6, dtype=">f4").reshape(2, 3))
    answer["explanation"]["map"]["data"] = base64.b64encode(buffer.getvalue()).decode()

    assert read(answer) != read(explain_answer())
    assert np.array_equal(read(answer).map, read(explain_answer()).map)


def test_a_certificate_is_read() -> None:
    found = read(explain_answer()).certificate

    assert (found.verdict, found.same_parameters) == ("inconclusive", True)
    assert found.checks == {"mprt": "pass", "efficient_mprt": "inconclusive"}


def test_an_older_service_without_certificates_is_not_certified() -> None:
    answer = explain_answer()
    answer["explanation"]["certificate"] = {}

    found = read(answer).certificate

    assert (found.verdict, found.checks, found.same_parameters) == ("not certified", {}, None)
