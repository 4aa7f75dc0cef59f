"""``POST /v1/evaluate``: a referee for maps that others made."""

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest
from fastapi.testclient import TestClient


def npy_file(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def png16_file(levels: Any) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(np.asarray(levels, np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


RAMP = np.arange(256, dtype=np.float32).reshape(16, 16) - 100


def ask(client: TestClient, picture: bytes, file: bytes, **options: str) -> Any:
    files = {"image": ("p.png", picture), "map": ("m", file)}
    return client.post("/v1/evaluate", files=files, data=options)


@pytest.mark.parametrize("receipt", ["fast", "full"])
@pytest.mark.parametrize("options", [{}, {"target": "green"}, {"target": "0", "contrast": "1", "seed": "7"}])
def test_a_map_of_the_service_gets_the_receipt_that_it_came_with(
    client: TestClient, picture: bytes, receipt: str, options: dict[str, str]
) -> None:
    """The two routes share the measuring, and the map goes out and back bit for bit."""
    asked = {**options, "receipt": receipt}
    explained = client.post(
        "/v1/explain", files={"image": picture}, data={**asked, "method": "gradient", "encoding": "npy"}
    ).json()

    answer = ask(client, picture, base64.b64decode(explained["explanation"]["map"]["data"]), **asked).json()

    assert answer["receipt"] == explained["receipt"]
    assert answer["target"] == explained["explanation"]["target"]
    assert answer["contrast"] == explained["explanation"]["contrast"]
    assert answer["seed"] == explained["explanation"]["seed"]
    for shared in ("model", "prediction", "picture"):
        assert answer[shared] == explained[shared]
    assert set(answer["timings_ms"]) == {"decode", "resize", "predict", "receipt"}


def test_a_png_ranks_like_the_array_that_it_was_made_of(client: TestClient, picture: bytes) -> None:
    """A positive factor moves no rank, so the curves are the same numbers."""
    array = ask(client, picture, npy_file(RAMP + 100)).json()
    png = ask(client, picture, png16_file((RAMP + 100) * 200)).json()

    assert png["receipt"]["operators"] == array["receipt"]["operators"]
    assert png["receipt"]["verdict"] == array["receipt"]["verdict"]


def test_the_sign_of_a_map_counts(client: TestClient, picture: bytes) -> None:
    """Upside down, most relevant first is least relevant first: the gain changes its sign and nothing else."""
    up = ask(client, picture, npy_file(RAMP)).json()["receipt"]
    down = ask(client, picture, npy_file(-RAMP)).json()["receipt"]

    for one, other in zip(up["operators"], down["operators"], strict=True):
        assert one["srg"] == pytest.approx(-other["srg"], abs=1e-5)


@pytest.mark.parametrize("shape", [(1, 2), (8, 8), (16, 16), (33, 50)])
def test_any_resolution_will_do(client: TestClient, picture: bytes, shape: tuple[int, int]) -> None:
    """Coarser, equal, finer, and of another aspect."""
    saliency = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)

    answer = ask(client, picture, npy_file(saliency))

    assert answer.status_code == 200
    assert answer.json()["warnings"] == []


def test_a_map_of_the_pictures_size_is_doubted_where_the_model_sees_less(
    client: TestClient, make_picture: Callable[..., bytes]
) -> None:
    """The model sees the middle seven eighths; such a map was probably made of the whole."""
    answer = ask(client, make_picture(size=40), npy_file(np.eye(40))).json()

    assert answer["picture"]["seen"] == {"left": 3.0, "top": 3.0, "width": 35.0, "height": 35.0}
    (warning,) = answer["warnings"]
    assert warning.startswith("the map has the picture's size, 40 x 40, but is taken to cover picture.seen")


def test_a_constant_map_cannot_be_scored_and_costs_nothing(client: TestClient, picture: bytes) -> None:
    """It ranks nothing; that is a verdict and no error."""
    receipt = ask(client, picture, npy_file(np.ones((4, 4)))).json()["receipt"]

    assert (receipt["verdict"], receipt["forwards"], receipt["operators"]) == ("cannot be scored", 0, [])


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (npy_file(np.full((4, 4), np.nan)), "16 of 16 values of the map are NaN or infinite"),
        (npy_file(np.array([[1, np.inf]])), "1 of 2 values"),
        (npy_file(np.zeros((4, 4, 3))), "shape (4, 4, 3)"),
        (b"", "no bytes"),
        (npy_file(RAMP)[:-4], "1,024 bytes; 1,020 follow"),
    ],
)
def test_a_map_that_cannot_be_scored_is_the_callers_mistake(
    client: TestClient, picture: bytes, file: bytes, said: str
) -> None:
    """Named as the part at fault, before any forward pass."""
    answer = ask(client, picture, file)

    assert (answer.status_code, answer.json()["code"], answer.json()["where"]) == (422, "invalid_map", "map")
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"receipt": "none"}, "invalid_option"),
        ({"method": "grad_cam"}, "invalid_option"),
        ({"target": "3"}, "unknown_target"),
        ({"target": "red", "contrast": "0"}, "invalid_option"),
        ({"top_k": "4"}, "invalid_option"),
        ({"max_forwards": "63"}, "budget_too_small"),
        ({"deadline_ms": "1e-9"}, "budget_too_small"),
        ({"model": "none"}, "unknown_model"),
    ],
)
def test_a_wrong_option_is_refused(
    client: TestClient, picture: bytes, options: dict[str, str], code: str
) -> None:
    """As on the other routes; a receipt of none would leave nothing to answer."""
    assert ask(client, picture, npy_file(RAMP), **options).json()["code"] == code


def test_a_picture_without_its_map_is_refused(client: TestClient, picture: bytes) -> None:
    """In a form, and as a raw body, which has no room for two files."""
    form = client.post("/v1/evaluate", files={"image": picture})
    raw = client.post("/v1/evaluate", content=picture, headers={"Content-Type": "image/png"})

    assert (form.status_code, form.json()["where"]) == (400, "map")
    assert (raw.status_code, raw.json()["code"]) == (415, "unsupported_media_type")
    assert "image, map" in raw.json()["detail"]


def test_its_receipt_is_counted_apart(client: TestClient, picture: bytes) -> None:
    """Under `brought`, so that strangers' maps do not spoil the figures of our methods."""
    ask(client, picture, npy_file(RAMP))

    assert 'saliserve_receipt_srg_count{method="brought",model="colours"}' in client.get("/metrics").text
