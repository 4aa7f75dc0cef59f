"""KServe v1, by the JSON that its documents show."""

import json
from base64 import b64encode

import pytest
from fastapi.testclient import TestClient

from service.http.protocols import kserve_v1
from tests.service.http.protocols.threads import names_of_threads

RAW = {"Content-Type": "image/png"}


def instance(picture: bytes) -> dict[str, str]:
    return {"b64": b64encode(picture).decode()}


def test_predict_gives_every_instance_its_answer(client: TestClient, picture: bytes, make_picture) -> None:
    """In their order, each as the native route answers."""
    other = make_picture("blue")
    body = json.dumps({"instances": [instance(picture), instance(other)]})

    answer = client.post("/v1/models/colours:predict", content=body).json()

    for given, sent in zip(answer["predictions"], (picture, other), strict=True):
        native = client.post("/v1/predict?top_k=3", content=sent, headers=RAW).json()
        assert given["prediction"] == native["prediction"]
        assert given["picture"] == native["picture"]
    assert answer["model"]["name"] == "colours"


@pytest.mark.parametrize("wrapper", ["image_bytes", "image", "data"])
def test_the_usual_wrappers_are_understood(client: TestClient, picture: bytes, wrapper: str) -> None:
    """TensorFlow Serving's, KServe's and TorchServe's; the last has no b64 inside."""
    inner = instance(picture)
    sent = {wrapper: inner["b64"] if wrapper == "data" else inner}

    answer = client.post("/v1/models/colours:predict", json={"instances": [sent]})

    assert answer.json()["predictions"][0]["prediction"]["top_k"][0]["label"] == "red"


@pytest.mark.parametrize("signature", ["serving_default", ""])
@pytest.mark.parametrize("verb", ["predict", "explain"])
def test_the_default_signature_may_be_named(
    client: TestClient, picture: bytes, signature: str, verb: str
) -> None:
    """Clients of TensorFlow Serving write it down, and it asks for nothing that would not be done without."""
    body = {"signature_name": signature, "instances": [instance(picture)], "parameters": {}}

    answer = client.post(f"/v1/models/colours:{verb}", json=body)

    assert answer.status_code == 200, answer.text


def test_the_body_is_read_beside_the_event_loop(
    client: TestClient, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tens of megabytes of JSON there would keep everybody waiting, health included."""
    threads = names_of_threads(monkeypatch, kserve_v1)

    client.post("/v1/models/colours:predict", json={"instances": [instance(picture)]})

    assert [name.startswith("codec") for name in threads] == [True]


def test_explain_is_the_native_explanation(client: TestClient, picture: bytes) -> None:
    """The same map and the same receipt, for the same options."""
    options = {"method": "grad_cam", "receipt": "fast", "seed": 7}

    answer = client.post(
        "/v1/models/colours:explain", json={"instances": [instance(picture)], "parameters": options}
    )

    native = client.post(
        "/v1/explain?method=grad_cam&receipt=fast&seed=7", content=picture, headers=RAW
    ).json()
    (given,) = answer.json()["explanations"]
    assert given["explanation"] == native["explanation"]
    assert given["receipt"] == native["receipt"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 422, "not JSON"),
        (b"[]", 422, "expected an object"),
        (b"{}", 422, "`instances` is missing"),
        (b'{"instances": []}', 422, "0 pictures; expected 1 to 16"),
        (b'{"instances": [[1.0, 2.0]]}', 422, "instances[0] is no picture"),
        (b'{"instances": [{"b64": "???"}]}', 422, "is not base64"),
        (b'{"instances": [{"b64": 3}]}', 422, "expected a picture's file as base64"),
        (b'{"instances": [{"b64": "YWJj"}]}', 415, ""),
        (b'{"instances": [{"b64": "YWJj"}], "signature": 1}', 422, "unknown member 'signature'"),
        (
            b'{"instances": [{"b64": "YWJj"}], "signature_name": "classify_x"}',
            422,
            "signature_name = 'classify_x'; a model here has one signature, serving_default. Leave it out.",
        ),
        (b'{"instances": [{"b64": "YWJj"}], "signature_name": null}', 422, "signature_name = None"),
        (b'{"inputs": {"b64": "YWJj"}}', 422, "Send the pictures by rows, as `instances`"),
        (b'{"instances": [{"b64": "YWJj"}], "parameters": {"model": "x"}}', 422, "named in the path"),
        (b'{"instances": [{"b64": "YWJj"}], "parameters": {"windw": 1}}', 422, "unknown option"),
    ],
)
def test_mistakes_are_named_where_kserve_clients_look(
    client: TestClient, body: bytes, status: int, said: str
) -> None:
    """In ``error``, beside the members of our own problem documents."""
    answer = client.post("/v1/models/colours:predict", content=body)

    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"]
    assert answer.json()["error"] == answer.json()["detail"]


def test_an_unknown_model_is_not_found(client: TestClient, picture: bytes) -> None:
    answer = client.post("/v1/models/nobody:predict", json={"instances": [instance(picture)]})

    assert answer.status_code == 404
    assert "no model is named 'nobody'" in answer.json()["error"]


def test_too_many_instances_are_refused(client: TestClient, picture: bytes) -> None:
    """One request must not fill the queue; nothing of it is begun."""
    answer = client.post("/v1/models/colours:predict", json={"instances": [instance(picture)] * 17})

    assert answer.status_code == 422
    assert "17 pictures; expected 1 to 16" in answer.json()["error"]


def test_our_own_routes_keep_their_shape(client: TestClient) -> None:
    assert "error" not in client.post("/v1/predict", content=b"", headers=RAW).json()
    assert client.get("/v1/models/colours").json()["ready"] is True
