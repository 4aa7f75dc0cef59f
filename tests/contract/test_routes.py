"""Every route, through the client."""

import asyncio
import io
import math
from dataclasses import asdict
from pathlib import Path

import httpx2
import numpy as np
import PIL.Image
import pytest
from fastapi.testclient import TestClient
from saliserve_client import AsyncClient, Client, Progress, errors

from service.engine import Engine
from service.http.application import create_app
from service.settings import Settings
from tests.client.answers import explain_answer


def test_a_prediction_is_what_the_model_computes(client: Client) -> None:
    """Logits of a pure red picture are (10, 0, 0): softmax by hand."""
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (32, 32), (255, 0, 0)).save(buffer, "PNG")

    prediction = client.predict(buffer.getvalue(), top_k=2)

    assert [one.label for one in prediction.top_k] == ["red", "green"]
    assert prediction.probability == pytest.approx(math.exp(10) / (math.exp(10) + 2), rel=1e-6)
    assert prediction.model.name == "colours"
    assert (prediction.picture.width, prediction.picture.height) == (32, 32)
    assert prediction.timings_ms["predict"] > 0


def test_path_bytes_and_file_give_the_same_answer(client: Client, picture: bytes, tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(picture)

    with path.open("rb") as file:
        answers = [client.predict(one) for one in (path, str(path), picture, file)]

    assert len({(one.top_k, one.model, one.picture) for one in answers}) == 1


def test_an_explanation_arrives_whole(client: Client, picture: bytes) -> None:
    explanation = client.explain(
        picture,
        method="occlusion",
        parameters={"window": 4, "stride": 2},
        target="green",
        contrast=0,
        receipt="fast",
        seed=7,
        overlay=True,
        top_k=1,
    )

    assert explanation.method == "occlusion"
    assert explanation.parameters["window"] == 4
    assert (explanation.target.index, explanation.target.scalar) == (1, "logit_difference")
    assert explanation.contrast is not None
    assert explanation.contrast.label == "red"
    assert explanation.seed == 7
    assert len(explanation.prediction.top_k) == 1
    assert explanation.map.shape == explanation.encoded_map.shape == (16, 16)
    assert max(np.unravel_index(explanation.map.argmax(), (16, 16))) < 8  # the green square is upper left
    assert explanation.overlay is not None
    assert PIL.Image.open(io.BytesIO(explanation.overlay)).format == "PNG"
    assert explanation.forwards > 1
    assert explanation.receipt is not None
    assert explanation.receipt.verdict
    assert len(explanation.receipt.operators) >= 2
    assert explanation.receipt.protocol.startswith("fast ")
    assert {"decode", "predict", "explain", "receipt"} <= explanation.timings_ms.keys()


def test_measures_arrive_whole(client: Client, picture: bytes) -> None:
    """Each as the service states it, in the client's own types."""
    explanation = client.explain(
        picture,
        method="smooth_grad",
        target="green",
        measures=["magnitude", "pixels", "stability", "repeatability"],
        boxes=[(8, 8, 16, 16)],
    )

    assert explanation.receipt is not None
    found, raw = explanation.receipt.measures, explanation.receipt.measures.raw
    assert asdict(found.magnitude[0]) == raw["magnitude"]["operators"][0]
    assert asdict(found.localisation) == raw["localisation"]
    for made in (found.stability, found.repeatability, found.pixels[0]):
        assert made is not None
    kept = asdict(found.pixels[0])
    assert kept.items() <= raw["pixels"]["operators"][0].items()
    assert asdict(found.stability).items() <= raw["stability"].items()
    assert asdict(found.repeatability).items() <= raw["repeatability"].items()


def test_luck_arrives(client: Client, picture: bytes) -> None:
    explanation = client.explain(picture, method="input_x_gradient", measures=["luck"])

    assert explanation.receipt is not None
    found = explanation.receipt.measures
    assert found.luck is not None
    assert asdict(found.luck).items() <= found.raw["luck"].items()


def test_a_map_says_with_what_it_was_made(client: Client, picture: bytes) -> None:
    saliency = np.arange(256.0).reshape(16, 16)
    evaluation = client.evaluate(
        picture, saliency, target="green", made_with=["black"], measures=["magnitude"], mask=_mask()
    )

    assert [one.name for one in evaluation.receipt.operators] == ["noise", "gaussian_blur"]
    assert evaluation.receipt.measures.localisation is not None
    assert evaluation.receipt.measures.stability is None


def _mask() -> bytes:
    mask = PIL.Image.new("L", (32, 32))
    mask.paste(255, (8, 8, 16, 16))
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    return buffer.getvalue()


def test_both_encodings_are_the_same_map(client: Client, picture: bytes) -> None:
    """png16 within half a step of npy, which is exact."""
    exact, small = (
        client.explain(picture, method="gradient", receipt="none", encoding=encoding)
        for encoding in ("npy", "png16")
    )

    step = (exact.encoded_map.maximum - exact.encoded_map.minimum) / 131070
    assert np.abs(exact.map - small.map).max() <= step * 1.001
    assert (exact.map.min(), exact.map.max()) == (exact.encoded_map.minimum, exact.encoded_map.maximum)


def test_the_same_request_gives_the_same_bytes(client: Client, picture: bytes) -> None:
    """Everything outside request_id and timings is a function of request and seed."""
    first, second = (client.explain(picture, receipt="fast", seed=3, overlay=True) for _ in range(2))

    varying = {"request_id", "timings_ms"}
    assert {name: value for name, value in first.raw.items() if name not in varying} == {
        name: value for name, value in second.raw.items() if name not in varying
    }


def test_progress_ends_with_the_same_answer(client: Client, picture: bytes) -> None:
    """Over the real app's stream: for explanations, for maps of one's own, and for problems found on the way."""
    told: list[Progress] = []

    plain = client.explain(picture, method="occlusion", parameters={"window": 4, "stride": 2}, encoding="npy")
    watched = client.explain(
        picture,
        method="occlusion",
        parameters={"window": 4, "stride": 2},
        encoding="npy",
        on_progress=told.append,
    )
    measured = client.evaluate(picture, watched, on_progress=told.append)

    assert (watched.receipt, watched.encoded_map) == (plain.receipt, plain.encoded_map)
    assert measured.receipt == plain.receipt
    assert {one.stage for one in told} <= {"waiting", "predict", "explain", "receipt"}
    assert told
    with pytest.raises(errors.OptionError):
        client.explain(picture, contrast="red", on_progress=told.append)


def test_what_was_not_asked_for_is_none(client: Client, picture: bytes) -> None:
    explanation = client.explain(picture, receipt="none")

    assert (explanation.receipt, explanation.overlay, explanation.contrast) == (None, None, None)


def test_the_hand_made_answer_of_the_unit_tests_has_the_real_shape(client: Client, picture: bytes) -> None:
    """Otherwise those tests would go on passing against a service that is gone."""
    real = client.explain(picture, receipt="full", overlay=True).raw

    missing = list(_missing(explain_answer(), real, ""))
    assert missing == []


def _missing(made: object, real: object, place: str) -> list[str]:
    if isinstance(made, dict) and isinstance(real, dict):
        absent = [f"{place}.{name}" for name in made if name not in real]
        return absent + [
            one
            for name in made
            if name in real
            for one in _missing(made[name], real[name], f"{place}.{name}")
        ]
    if isinstance(made, list) and isinstance(real, list) and made and real:
        return _missing(made[0], real[0], f"{place}[0]")
    return []


def test_models_are_listed_and_described(client: Client) -> None:
    (listed,) = client.models()
    described = client.model("colours", version="1")

    assert (listed.name, listed.version, listed.default) == ("colours", "1", True)
    assert listed.classes == ("red", "green", "blue")
    assert "grad_cam" in listed.methods
    assert len(listed.sha256) == 64
    assert described == listed


def test_ready_is_true(client: Client) -> None:
    assert client.ready() is True


def test_the_asynchronous_client_gets_the_same_answers(
    client: Client, engine: Engine, settings: Settings, picture: bytes
) -> None:
    """Eight at once, so that their answers could be mixed up."""

    async def ask() -> list[object]:
        transport = httpx2.ASGITransport(create_app(engine, settings))
        async with httpx2.AsyncClient(transport=transport, base_url="http://service") as http:
            asking = AsyncClient(http=http)
            answers = await asyncio.gather(
                *(asking.explain(picture, target=target % 3, receipt="none") for target in range(8))
            )
            return [(one.target.label, one.encoded_map.data) for one in answers]

    expected = [client.explain(picture, target=target % 3, receipt="none") for target in range(8)]
    assert asyncio.run(ask()) == [(one.target.label, one.encoded_map.data) for one in expected]


def test_a_map_of_ones_own_is_measured(client: Client, picture: bytes) -> None:
    """The map that the service itself made gets the receipt that came with it."""
    explanation = client.explain(picture, receipt="fast", encoding="npy")
    evaluations = [client.evaluate(picture, one, receipt="fast") for one in (explanation, explanation.map)]

    assert explanation.receipt is not None
    for evaluation in evaluations:
        assert evaluation.receipt.raw == explanation.receipt.raw
        assert evaluation.target.index == explanation.target.index


def test_a_service_of_another_version_is_named_as_such(engine: Engine, settings: Settings) -> None:
    """A route of this contract that is not there."""
    with pytest.raises(errors.VersionError, match="nothing at /behind"):
        Client(http=TestClient(create_app(engine, settings), base_url="http://testserver/behind")).models()


def test_a_service_of_another_major_version_is_refused(engine: Engine, settings: Settings) -> None:
    """Minor versions only add; the same app, told to be of each version."""

    def contract(version: str) -> str:
        return Client(http=TestClient(create_app(engine, settings, version=version))).contract()

    assert contract("1") == "1"
    assert contract("1.7") == "1.7"
    with pytest.raises(errors.VersionError, match="speaks version 2"):
        contract("2.0")


def test_a_service_that_publishes_no_documentation_has_no_known_version(
    engine: Engine, settings: Settings
) -> None:
    app = create_app(engine, settings.model_copy(update={"docs": False}))

    assert Client(http=TestClient(app)).contract() == ""
