"""What a caller gets from each route."""

import base64
import gzip
import io
import json
from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest
from fastapi.testclient import TestClient

RAW = {"Content-Type": "image/png"}


def test_a_flat_picture_is_classified_by_its_colour(client: TestClient) -> None:
    """Logits are ten times the channels' means: softmax(10, 0, 0) by hand."""
    image = io.BytesIO()
    PIL.Image.new("RGB", (40, 40), (255, 0, 0)).save(image, "PNG")

    answer = client.post("/v1/predict", files={"image": image.getvalue()}).json()

    expected = np.exp([10.0, 0.0, 0.0]) / np.exp([10.0, 0.0, 0.0]).sum()
    assert [one["label"] for one in answer["prediction"]["top_k"]] == ["red", "green", "blue"]
    np.testing.assert_allclose(
        [one["probability"] for one in answer["prediction"]["top_k"]], expected, rtol=1e-5
    )
    np.testing.assert_allclose([one["logit"] for one in answer["prediction"]["top_k"]], [10, 0, 0], rtol=1e-6)
    assert answer["model"]["name"] == "colours"
    assert answer["model"]["provider"] == "CPUExecutionProvider"
    # Seven eighths of 40, cut from the middle.
    assert answer["picture"]["seen"] == {"left": 3.0, "top": 3.0, "width": 35.0, "height": 35.0}


def test_a_raw_body_answers_like_a_form(client: TestClient, picture: bytes) -> None:
    """Two ways to send the same picture; nothing but names and clocks may differ."""
    form = client.post("/v1/predict", files={"image": picture}, data={"top_k": "2"}).json()
    raw = client.post("/v1/predict?top_k=2", content=picture, headers=RAW).json()

    for answer in (form, raw):
        del answer["request_id"], answer["timings_ms"]
    assert form == raw
    assert len(form["prediction"]["top_k"]) == 2


def test_the_format_is_told_by_content_not_by_name_or_type(
    client: TestClient, make_picture: Callable[..., bytes]
) -> None:
    """Cameras and scripts mislabel files all the time."""
    jpeg = make_picture("red", name="JPEG")

    named = client.post("/v1/predict", files={"image": ("picture.png", jpeg, "image/png")})
    typed = client.post("/v1/predict", content=jpeg, headers=RAW)

    assert named.status_code == typed.status_code == 200


def test_the_methods_own_options_travel_three_ways(client: TestClient, picture: bytes) -> None:
    """As form fields, in the query, and in the JSON part; the maps are the same bytes."""
    form = client.post(
        "/v1/explain",
        files={"image": picture},
        data={"method": "occlusion", "window": "4", "stride": "2", "receipt": "none"},
    ).json()
    query = client.post(
        "/v1/explain?method=occlusion&window=4&stride=2&receipt=none", content=picture, headers=RAW
    ).json()
    options = {"method": "occlusion", "parameters": {"window": 4, "stride": 2}, "receipt": "none"}
    part = client.post(
        "/v1/explain", files={"image": picture, "options": (None, json.dumps(options), "application/json")}
    ).json()

    assert form["explanation"]["parameters"]["window"] == 4
    assert form["explanation"] == query["explanation"] == part["explanation"]


def test_the_options_part_may_be_a_file(client: TestClient, picture: bytes) -> None:
    """As curl sends -F options=@options.json."""
    options = ("options.json", b'{"top_k": 1}', "application/json")

    answer = client.post("/v1/predict", files={"image": picture, "options": options}).json()

    assert len(answer["prediction"]["top_k"]) == 1


def test_an_answer_names_everything_that_made_it(client: TestClient, picture: bytes) -> None:
    """The field names are the contract; a client reads each of these."""
    answer = client.post("/v1/explain?seed=7&target=green&contrast=0", content=picture, headers=RAW).json()

    assert {"request_id", "model", "prediction", "explanation", "receipt", "timings_ms", "warnings"} <= set(
        answer
    )
    told = answer["explanation"]
    assert told["method"] == "grad_cam"
    assert told["target"] == {"index": 1, "label": "green", "scalar": "logit_difference"}
    assert told["contrast"] == {"index": 0, "label": "red"}
    assert told["seed"] == 7
    assert told["overlay"] is None
    assert told["forwards"] >= 1
    assert told["converged"] is True
    assert told["certificate"]["verdict"] == "not certified"
    assert told["certificate"]["mprt"] is None
    assert {"decode", "predict", "explain", "receipt"} <= set(answer["timings_ms"])
    assert {"protocol", "verdict", "reason", "operators", "controls", "summary", "warnings"} <= set(
        answer["receipt"]
    )


def test_without_a_receipt_there_is_none(client: TestClient, picture: bytes) -> None:
    """Null, not an empty one that could be read as a verdict."""
    answer = client.post("/v1/explain?receipt=none", content=picture, headers=RAW).json()

    assert answer["receipt"] is None


def test_a_map_is_the_same_in_both_encodings(client: TestClient, picture: bytes) -> None:
    """png16 to within half a step of the exact one."""
    maps = {}
    for encoding in ("npy", "png16"):
        answer = client.post(f"/v1/explain?encoding={encoding}&receipt=none", content=picture, headers=RAW)
        maps[encoding] = answer.json()["explanation"]["map"]
    exact = np.load(io.BytesIO(base64.b64decode(maps["npy"]["data"])))
    levels = np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(maps["png16"]["data"])))).astype(float)
    span = maps["png16"]["maximum"] - maps["png16"]["minimum"]

    assert maps["npy"]["shape"] == list(exact.shape) == [16, 16]
    np.testing.assert_allclose(
        maps["png16"]["minimum"] + levels / 65535 * span, exact, rtol=0, atol=span / 131070 * (1 + 1e-9)
    )


@pytest.mark.parametrize("encoding", ["png", "jpeg"])
def test_the_overlay_comes_inside_or_alone(client: TestClient, picture: bytes, encoding: str) -> None:
    """Asked for with overlay=true it is in the JSON; Accept: image/png returns the same file alone."""
    url = "/v1/explain?receipt=none"
    inside = client.post(f"{url}&overlay=true&overlay_encoding={encoding}", content=picture, headers=RAW)
    alone = client.post(url, content=picture, headers={**RAW, "Accept": f"image/{encoding}"})

    assert alone.headers["content-type"] == f"image/{encoding}"
    explanation = inside.json()["explanation"]
    assert explanation["overlay_encoding"] == encoding
    assert base64.b64decode(explanation["overlay"]) == alone.content
    shown = PIL.Image.open(io.BytesIO(alone.content))
    assert (shown.format, shown.size) == (encoding.upper(), (512, 512))


def test_the_same_request_gives_the_same_bytes(client: TestClient, picture: bytes) -> None:
    """Everything but the request's name and the clock is a function of the request."""
    answers = [
        client.post("/v1/explain?overlay=true&seed=3", content=picture, headers=RAW).json() for _ in range(2)
    ]
    for answer in answers:
        del answer["request_id"], answer["timings_ms"]

    assert answers[0] == answers[1]


def test_models_say_what_they_are(client: TestClient) -> None:
    """What a caller must know before asking: methods, classes, digest."""
    listed = client.get("/v1/models").json()["models"]
    one = client.get("/v1/models/colours").json()

    assert listed == [one]
    assert one == client.get("/v1/models/colours?version=1").json()
    assert one["default"] is True
    assert one["classes"] == ["red", "green", "blue"]
    assert {"grad_cam", "gradient", "integrated_gradients", "occlusion"} <= set(one["methods"])
    details = {method["name"]: method for method in one["method_details"]}
    assert details["grad_cam"]["forwards"] >= 1
    assert details["occlusion"]["parameters"]["properties"]["window"]["type"] == "integer"
    assert "Do not take it for evidence" in details["guided_backprop"]["caution"]
    assert "rebuild --extra guided" in details["guided_backprop"]["reason"]
    assert len(one["sha256"]) == 64
    assert one["manifest"]["source"]["licence"] == "Apache-2.0"


def test_manifests_can_be_left_out_of_the_list(client: TestClient) -> None:
    """They are most of it; whoever only chooses a model does without. Anything but yes or no is an error."""
    [whole] = client.get("/v1/models").json()["models"]
    [short] = client.get("/v1/models?manifest=false").json()["models"]
    refused = client.get("/v1/models?manifest=perhaps")

    assert short == {**whole, "manifest": {}, "certificates": {}}
    assert (refused.status_code, refused.json()["where"]) == (422, "options.manifest")


def test_the_long_list_of_models_travels_compressed(client: TestClient) -> None:
    """Class names and parameter schemas of several models are 60 kB of words; who cannot unpack them says so."""
    with client.stream("GET", "/v1/models", headers={"Accept-Encoding": "gzip"}) as answer:
        compressed = b"".join(answer.iter_raw())
    plain = client.get("/v1/models", headers={"Accept-Encoding": "identity, gzip;q=0"})

    assert gzip.decompress(compressed) == plain.content
    assert "content-encoding" not in plain.headers
    assert "Accept-Encoding" in plain.headers["vary"]
    assert len(compressed) < len(plain.content) / 3


@pytest.mark.parametrize(("path", "status"), [("/livez", "live"), ("/healthz", "live"), ("/readyz", "ready")])
def test_health(client: TestClient, path: str, status: str) -> None:
    """Platforms look at the status code, people at the word."""
    answer = client.get(path)

    assert (answer.status_code, answer.json()) == (200, {"status": status})


def test_a_request_keeps_the_name_it_came_with(client: TestClient, picture: bytes) -> None:
    """In the answer's header and body, so that both sides' logs can be joined."""
    answer = client.post("/v1/predict", content=picture, headers={**RAW, "X-Request-ID": "order-17"})

    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "order-17"


@pytest.mark.parametrize("offered", ["two words", "a" * 129, "", "new\tline", "é"])
def test_a_name_that_could_break_a_log_is_replaced(client: TestClient, offered: str) -> None:
    """It is repeated in a header and in log lines."""
    name = client.get("/livez", headers={b"X-Request-ID": offered.encode()}).headers["x-request-id"]

    assert name != offered
    assert len(name) == 32


def test_cross_origin_calls_are_allowed_from_the_origins_that_were_named(client: TestClient) -> None:
    """And from no others."""
    trusted = client.get("/livez", headers={"Origin": "https://trusted.example"})
    other = client.get("/livez", headers={"Origin": "https://other.example"})

    assert trusted.headers["access-control-allow-origin"] == "https://trusted.example"
    assert "access-control-allow-origin" not in other.headers
