"""Open Inference v2, by the client that Triton's users have."""

import io
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator

import numpy as np
import PIL.Image
import pytest
import tritonclient.http as triton
from fastapi.testclient import TestClient
from tritonclient.utils import InferenceServerException

from service.http.protocols import open_inference
from tests.server import Server, running_server
from tests.service.http.protocols.threads import names_of_threads

RAW = {"Content-Type": "image/png"}


@pytest.fixture(scope="module")
def server(models, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server"), models=models, threads=1) as server:
        yield server


@pytest.fixture(scope="module")
def caller(server: Server) -> Iterator[triton.InferenceServerClient]:
    client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
    yield client
    client.close()


def files(*pictures: bytes, binary: bool = True) -> triton.InferInput:
    tensor = triton.InferInput("image", [len(pictures)], "BYTES")
    tensor.set_data_from_numpy(np.array(pictures, dtype=object), binary_data=binary)
    return tensor


def test_the_client_finds_the_server_and_its_model(caller: triton.InferenceServerClient) -> None:
    """What it asks before it sends anything."""
    assert caller.is_server_live()
    assert caller.is_server_ready()
    assert caller.is_model_ready("colours")
    assert caller.is_model_ready("colours", "1")
    assert not caller.is_model_ready("nobody")
    assert caller.get_server_metadata()["extensions"] == ["binary_tensor_data", "classification"]
    metadata = caller.get_model_metadata("colours")
    assert metadata["versions"] == ["1"]
    assert {"name": "logits", "datatype": "FP32", "shape": [-1, 3]} in metadata["outputs"]
    assert {"name": "map", "datatype": "FP32", "shape": [-1, 16, 16]} in metadata["outputs"]


def test_a_batch_of_files_gets_the_native_answers(
    server: Server, caller: triton.InferenceServerClient, picture: bytes, make_picture
) -> None:
    """By the client's defaults: all outputs, all in binary form."""
    other = make_picture("blue")

    answer = caller.infer("colours", [files(picture, other)], request_id="mine")

    assert answer.get_response()["id"] == "mine"
    for row, sent in enumerate((picture, other)):
        ranked = server.post("/v1/predict?top_k=3", sent)["prediction"]["top_k"]
        for name, of in (("logits", "logit"), ("probabilities", "probability")):
            expected = [one[of] for one in sorted(ranked, key=lambda one: one["index"])]
            np.testing.assert_array_equal(answer.as_numpy(name)[row], np.float32(expected))
        assert answer.as_numpy("class")[row] == ranked[0]["index"]
        assert answer.as_numpy("label")[row] == ranked[0]["label"].encode()


def test_pixels_are_taken_as_they_are(server: Server, caller: triton.InferenceServerClient) -> None:
    """Binary or JSON, the answer is that to a PNG of the same pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (1, 20, 24, 3)).astype(np.uint8)
    answers = []
    for binary in (True, False):
        tensor = triton.InferInput("pixels", pixels.shape, "UINT8")
        tensor.set_data_from_numpy(pixels, binary_data=binary)
        wanted = [triton.InferRequestedOutput("logits", binary_data=binary)]
        answers.append(caller.infer("colours", [tensor], outputs=wanted).as_numpy("logits"))
    file = io.BytesIO()
    PIL.Image.fromarray(pixels[0]).save(file, "PNG")
    ranked = server.post("/v1/predict?top_k=3", file.getvalue())["prediction"]["top_k"]

    np.testing.assert_array_equal(answers[0], answers[1])
    expected = [one["logit"] for one in sorted(ranked, key=lambda one: one["index"])]
    np.testing.assert_array_equal(answers[0][0], np.float32(expected))


def test_explanations_are_outputs_on_request(
    server: Server, caller: triton.InferenceServerClient, picture: bytes
) -> None:
    """The map is the native one, exactly; the receipt its JSON."""
    wanted = [triton.InferRequestedOutput(name) for name in ("map", "verdict", "receipt", "overlay", "label")]

    answer = caller.infer(
        "colours", [files(picture)], outputs=wanted, parameters={"method": "gradient", "seed": 3}
    )

    native = server.post("/v1/explain?method=gradient&seed=3&encoding=npy", picture)
    saved = np.load(io.BytesIO(b64decode(native["explanation"]["map"]["data"])))
    np.testing.assert_array_equal(answer.as_numpy("map")[0], saved)
    assert answer.as_numpy("verdict")[0].decode() == native["receipt"]["verdict"]
    assert json.loads(answer.as_numpy("receipt")[0]) == native["receipt"]
    assert answer.as_numpy("overlay")[0].startswith(b"\x89PNG")
    assert answer.as_numpy("label")[0] == b"red"


def test_the_classification_extension_ranks(caller: triton.InferenceServerClient, picture: bytes) -> None:
    """What Triton's own image client asks for."""
    wanted = [triton.InferRequestedOutput("probabilities", class_count=2)]

    (best,) = caller.infer("colours", [files(picture)], outputs=wanted).as_numpy("probabilities")

    assert [text.decode().split(":")[1:] for text in best] == [["0", "red"], ["1", "green"]]


def test_the_client_raises_what_the_service_says(
    caller: triton.InferenceServerClient, picture: bytes
) -> None:
    with pytest.raises(InferenceServerException, match="no model is named 'nobody'") as unknown:
        caller.infer("nobody", [files(picture)])
    assert unknown.value.status() == "404"
    with pytest.raises(InferenceServerException, match="format"):
        caller.infer("colours", [files(b"text")])
    with pytest.raises(InferenceServerException, match="output 'softmax' is unknown"):
        caller.infer("colours", [files(picture)], outputs=[triton.InferRequestedOutput("softmax")])


def test_requests_are_counted_as_others_are(
    server: Server, caller: triton.InferenceServerClient, picture: bytes
) -> None:
    """By route template and model, with the forward passes spent."""
    caller.infer("colours", [files(picture)])

    text = server.ask("GET", "/metrics").text

    assert 'method="POST",model="colours",route="/v2/models/{name}/infer",status="200"' in text


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        ({"name": "image", "shape": [1], "datatype": "FP32", "data": [1.0]}, "expected BYTES"),
        ({"name": "image", "shape": [2], "datatype": "BYTES", "data": ["YQ=="]}, "1 elements"),
        ({"name": "image", "shape": [1], "datatype": "BYTES"}, "neither data nor binary_data_size"),
        ({"name": "image", "shape": [1], "datatype": "BYTES", "data": ["?"]}, "is not base64"),
        (
            {"name": "image", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 9}},
            "0 bytes follow",
        ),
        (
            {"name": "pixels", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [1, 2, 256]},
            "from 0 to 255",
        ),
        (
            {"name": "pixels", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [1, 2, 0.5]},
            "from 0 to 255",
        ),
        ({"name": "pixels", "shape": [1, 9, 9, 3], "datatype": "UINT8", "data": [1]}, "1 elements"),
        (
            {"name": "pixels", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [[[[1, 2, 3]]]]},
            "at least 8",
        ),
        ({"name": "input", "shape": [1], "datatype": "BYTES", "data": ["YQ=="]}, "inputs are 'input'"),
        ({"name": "image", "shape": [-1], "datatype": "BYTES", "data": ["YQ=="]}, "1 elements"),
    ],
)
def test_tensors_that_do_not_fit_are_named(client: TestClient, tensor: dict[str, object], said: str) -> None:
    answer = client.post("/v2/models/colours/infer", json={"inputs": [tensor]})

    assert 400 <= answer.status_code < 500
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    "raw", [b"", b"\xff\xff\xff\xff", b"\x05\x00\x00\x00ab", b"\x01", b"\x01\x00\x00\x00a\x01"]
)
def test_binary_elements_that_lie_about_their_length_are_refused(client: TestClient, raw: bytes) -> None:
    """Nothing is read beyond the body."""
    tensor = {
        "name": "image",
        "shape": [1],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": len(raw)},
    }
    text = json.dumps({"inputs": [tensor]}).encode()

    answer = client.post(
        "/v2/models/colours/infer",
        content=text + raw,
        headers={"Inference-Header-Content-Length": str(len(text))},
    )

    assert answer.status_code == 422
    assert "inputs.image" in answer.json()["where"]


def test_a_name_that_no_answer_can_repeat_is_refused(client: TestClient, picture: bytes) -> None:
    """Half a surrogate pair: JSON can escape it, UTF-8 cannot hold it."""
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [b64encode(picture).decode()]}

    body = json.dumps({"id": "\ud800", "inputs": [tensor]})

    answer = client.post("/v2/models/colours/infer", content=body)

    assert (answer.status_code, answer.json()["where"]) == (422, "id")
    assert "surrogate" in answer.json()["error"]


@pytest.mark.parametrize("length", ["-1", "9999999", "x", "", "9" * 5000])
def test_a_false_length_of_the_json_is_refused(client: TestClient, length: str) -> None:
    answer = client.post(
        "/v2/models/colours/infer", content=b"{}", headers={"Inference-Header-Content-Length": length}
    )

    assert (answer.status_code, answer.json()["where"]) == (422, "Inference-Header-Content-Length")


def test_the_body_is_read_beside_the_event_loop(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tensor as JSON may have tens of megabytes, and everybody would wait for it, health included."""
    threads = names_of_threads(monkeypatch, open_inference)
    tensor = {"name": "pixels", "shape": [1, 8, 8, 3], "datatype": "UINT8", "data": [255] * 192}

    answer = client.post("/v2/models/colours/infer", json={"inputs": [tensor]})

    assert answer.status_code == 200, answer.text
    assert [name.startswith("codec") for name in threads] == [True]
