"""What can be asked of a map beside its verdict, over HTTP; and the published shape of a receipt."""

import io
import json
import threading
from pathlib import Path
from typing import Any, get_args

import jsonschema
import numpy as np
import PIL.Image
import pytest
from fastapi.testclient import TestClient

from service.engine import Engine
from service.explain.methods import METHODS
from service.faithfulness.measures.cost import measured_forwards
from service.faithfulness.measures.measure import MEASURES
from service.faithfulness.operators.registry import OPERATORS
from service.faithfulness.protocol import FAST, PROTOCOLS
from service.http import work
from service.http.application import create_app
from service.imaging.map_file import MapLimits
from service.imaging.region import Mask, read_mask
from service.receipt_schema import ReceiptBody, receipt_schema
from service.schemas import OperatorName
from service.settings import Settings

PUBLISHED = Path(__file__).parents[3] / "docs" / "receipt.schema.json"
SQUARE = "[[8, 8, 16, 16]]"
"""Where the green square of the picture is; the model sees 28 x 28 pixels of it, from (2, 2)."""


def explain(client: TestClient, picture: bytes, **options: str) -> Any:
    return client.post("/v1/explain", files={"image": picture}, data={"method": "gradient", **options})


def evaluate(client: TestClient, picture: bytes, saliency: Any, **options: str) -> Any:
    buffer = io.BytesIO()
    np.save(buffer, saliency)
    files = {"image": picture, "map": buffer.getvalue()}
    return client.post("/v1/evaluate", files=files, data=options)


def mask_file(size: tuple[int, int] = (32, 32)) -> bytes:
    mask = PIL.Image.new("L", size)
    mask.paste(255, (8, 8, 16, 16))
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    return buffer.getvalue()


OWN = {"occlusion": {"window": "4", "stride": "4"}, "smooth_grad": {"samples": "4"}}
"""Methods' own options, for a model of 16 x 16 pixels."""

RAMP = np.arange(256, dtype=np.float32).reshape(16, 16)


def test_what_is_not_asked_for_is_not_measured_and_costs_nothing(client: TestClient, picture: bytes) -> None:
    receipt = explain(client, picture, target="green").json()["receipt"]
    assert receipt["measures"] == dict.fromkeys(MEASURES)
    assert receipt["forwards"] == FAST.forwards


@pytest.mark.parametrize("method", ["gradient", "smooth_grad", "occlusion"])
def test_every_measure_is_there_with_what_it_cost(client: TestClient, picture: bytes, method: str) -> None:
    """The forward passes of the receipt are its protocol's and its measures'."""
    options = {"method": method, "target": "green", "boxes": SQUARE, **OWN.get(method, {})}
    asked = "magnitude,pixels,stability,repeatability"
    answer = explain(client, picture, measures=asked, **options).json()

    receipt = answer["receipt"]
    found = receipt["measures"]
    assert all(found[name] for name in (*asked.split(","), "localisation"))
    assert [one["operator"] for one in found["magnitude"]["operators"]] == list(
        receipt["protocol"]["operators"]
    )
    spent = sum(one["forwards"] for one in found.values() if one and "forwards" in one)
    assert receipt["forwards"] == FAST.forwards + spent
    of_the_map = found["magnitude"]["forwards"] + found["pixels"]["forwards"]
    assert of_the_map == measured_forwards(FAST, ["magnitude", "pixels"])
    made_again = sum(found["repeatability"][name] is not None for name in ("second_seed", "second_baseline"))
    assert made_again == {"gradient": 0, "smooth_grad": 1, "occlusion": 1}[method]
    again = (spent - of_the_map - 5) / answer["explanation"]["forwards"]
    assert again == 5 + made_again
    assert "measures" in answer["timings_ms"]
    plain = explain(client, picture, **options).json()["receipt"]
    assert {**receipt, "measures": 0, "forwards": 0} == {**plain, "measures": 0, "forwards": 0}


def test_luck_is_measured_where_something_is_at_stake(client: TestClient, picture: bytes) -> None:
    """The picture is red. Under operators that do not count there is no gain to compare."""
    red, green = (
        explain(client, picture, method="input_x_gradient", target=target, measures="luck").json()["receipt"]
        for target in ("red", "green")
    )

    found, counted = red["measures"]["luck"], [one for one in red["operators"] if one["counted"]]
    assert found["log_odds_srg_mean"] == red["summary"]["log_odds_srg_mean"]
    assert found["forwards"] == measured_forwards(FAST, ["luck"]) * len(counted) / len(FAST.operators)
    assert red["forwards"] == FAST.forwards + found["forwards"]
    assert 0 < found["p_value"] < 1
    assert green["verdict"] == "cannot be scored"
    assert green["measures"]["luck"] is None


def test_a_mask_is_the_same_place_as_its_box(client: TestClient, picture: bytes) -> None:
    """And green's evidence lies in the green square."""
    by_box = explain(client, picture, method="input_x_gradient", target="green", boxes=SQUARE).json()
    files = {"image": picture, "mask": mask_file()}
    data = {"method": "input_x_gradient", "target": "green"}
    by_mask = client.post("/v1/explain", files=files, data=data).json()

    found = by_box["receipt"]["measures"]["localisation"]
    assert by_mask["receipt"] == by_box["receipt"]
    assert found["pointing_game"] == found["relevance_rank"] == 1
    assert found["relevance_mass"] > 0.9
    assert found["chance"] == pytest.approx((8 / 28) ** 2, abs=0.02)


def test_a_map_of_ones_own_can_be_measured_and_placed_too(client: TestClient, picture: bytes) -> None:
    answer = evaluate(client, picture, RAMP, target="green", measures="magnitude", boxes=SQUARE).json()
    found = answer["receipt"]["measures"]
    assert found["magnitude"]["operators"]
    assert found["localisation"]["pointing_game"] == 0  # the ramp is highest in the lower right corner
    assert evaluate(client, picture, RAMP, measures="stability").json()["code"] == "invalid_option"


def test_who_says_how_a_map_was_made_is_judged_by_other_operators(client: TestClient, picture: bytes) -> None:
    fast = evaluate(client, picture, RAMP, target="green", made_with="black").json()["receipt"]
    assert list(fast["protocol"]["operators"]) == ["noise", "gaussian_blur"]
    full = evaluate(client, picture, RAMP, target="green", made_with="black,road", receipt="full").json()[
        "receipt"
    ]
    circular = {one["name"] for one in full["operators"] if one["circular"]}
    assert circular == {"black", "road"}
    assert not any(one["counted"] for one in full["operators"] if one["circular"])
    assert any("black is circular" in warning for warning in full["warnings"])


def test_the_service_knows_how_its_own_maps_were_made(client: TestClient, picture: bytes) -> None:
    """Occlusion by the mean colour is not judged by the mean colour."""
    options = {"method": "occlusion", "baseline": "channel_mean", "receipt": "full", "target": "green"}
    options |= OWN["occlusion"]
    receipt = explain(client, picture, **options).json()["receipt"]
    assert {one["name"] for one in receipt["operators"] if one["circular"]} == {"channel_mean"}


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"measures": "faith"}, "options.measures"),
        ({"measures": "magnitude", "receipt": "none"}, "options.receipt"),
        ({"boxes": SQUARE, "receipt": "none"}, "options.receipt"),
        ({"boxes": "[[0, 0, 32, 32]]"}, "options.boxes"),
        ({"boxes": "[[0, 0, 1, 1]]"}, "options.boxes"),
        ({"boxes": "[]"}, "options.boxes"),
        ({"boxes": "[[1, 2, 3]]"}, "options.boxes"),
        ({"boxes": "[[NaN, 0, 3, 3]]"}, "options.boxes"),
        ({"boxes": "[" * 2000}, "options.boxes"),
        ({"boxes": "here"}, "options.boxes"),
        ({"mask": "here"}, "mask"),
    ],
)
def test_what_cannot_be_measured_is_refused_by_its_name(
    client: TestClient, picture: bytes, options: dict[str, str], where: str
) -> None:
    answer = explain(client, picture, **options)
    assert answer.status_code in {400, 422}
    assert answer.json()["where"] == where


@pytest.mark.parametrize("route", ["/v1/explain", "/v1/evaluate"])
def test_a_mask_is_read_by_a_codec_thread(
    client: TestClient, picture: bytes, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    """It may have millions of pixels; read on the event loop it would hold up everybody, health checks included."""
    readers: list[str] = []

    def watched(data: bytes, limits: MapLimits) -> Mask:
        readers.append(threading.current_thread().name)
        return read_mask(data, limits)

    monkeypatch.setattr(work, "read_mask", watched)
    buffer = io.BytesIO()
    np.save(buffer, RAMP)
    files = {"image": picture, "mask": mask_file()} | ({"map": buffer.getvalue()} if "eval" in route else {})
    answer = client.post(route, files=files, data={"target": "green"})

    assert answer.json()["receipt"]["measures"]["localisation"]
    assert [name.partition("_")[0] for name in readers] == ["codec"]


def test_a_mask_may_be_as_large_as_a_picture(engine: Engine, settings: Settings) -> None:
    """A camera's pictures are wider than any map need be. The object is what the centre of the picture shows."""
    wide = settings.model_copy(update={"max_side": 5000, "max_pixels": 5000 * 40})
    client = TestClient(create_app(engine, wide))
    picture, mask = PIL.Image.new("RGB", (5000, 40), "red"), PIL.Image.new("L", (5000, 40))
    picture.paste("green", (2495, 15, 2505, 25))
    mask.paste(255, (2495, 15, 2505, 25))
    files = {name: io.BytesIO() for name in ("image", "mask", "larger")}
    picture.save(files["image"], "PNG")
    mask.save(files["mask"], "PNG")
    mask.resize((5000, 41)).save(files["larger"], "PNG")
    sent = {name: file.getvalue() for name, file in files.items()}

    def ask(mask: str) -> Any:
        data = {"method": "input_x_gradient", "target": "green"}
        return client.post(
            "/v1/explain", files={"image": sent["image"], "mask": sent[mask]}, data=data
        ).json()

    assert ask("mask")["receipt"]["measures"]["localisation"]["pointing_game"] == 1
    assert ask("larger")["detail"] == "the mask is 5000 x 41 pixels; expected at most 200,000 in all."


@pytest.mark.parametrize("mask", [b"", b"no picture", mask_file((31, 32))])
def test_a_mask_that_is_none_is_refused(client: TestClient, picture: bytes, mask: bytes) -> None:
    answer = client.post("/v1/explain", files={"image": picture, "mask": mask}, data={"method": "gradient"})
    assert answer.json()["where"] == "mask"
    assert answer.json()["code"] == "invalid_option"


def test_a_budget_counts_the_measures(client: TestClient, picture: bytes) -> None:
    """1 to classify, 1 map, 63 for the receipt, 121 for magnitudes, 26 for pixels, 5 x (1 + 1) for stability."""
    options = {"measures": "magnitude,pixels,stability", "target": "green"}
    assert explain(client, picture, max_forwards="222", **options).status_code == 200
    refused = explain(client, picture, max_forwards="221", **options).json()
    assert refused["code"] == "budget_too_small"


def test_the_operators_of_the_option_are_those_there_are() -> None:
    assert set(get_args(OperatorName)) == set(OPERATORS)


def test_the_descriptions_state_the_true_costs() -> None:
    """Sixty and thirteen, or 37, passes per operator are written into the options' descriptions."""
    fast, full = (measured_forwards(PROTOCOLS[name], ["pixels"]) for name in ("fast", "full"))
    assert (fast, full) == (2 * 13, 5 * 37)
    assert measured_forwards(FAST, ["magnitude"]) == 1 + 2 * 60


def test_a_method_that_draws_says_so() -> None:
    """Those whose plans use the seed for more than the order of their work."""
    assert {name for name, method in METHODS.items() if method.seeded} == {
        "smooth_grad",
        "vargrad",
        "rise",
        "lime",
        "kernel_shap",
    }


def test_the_published_schema_is_the_one_in_the_docs(client: TestClient) -> None:
    """`python -m scripts.write_receipt_schema` writes it."""
    answer = client.get("/docs/receipt.schema.json")
    assert answer.headers["content-type"] == "application/schema+json"
    assert answer.json() == json.loads(PUBLISHED.read_text()) == receipt_schema()
    jsonschema.Draft202012Validator.check_schema(answer.json())


def test_the_schema_goes_with_the_docs(engine: Engine, settings: Settings) -> None:
    silent = TestClient(create_app(engine, settings.model_copy(update={"docs": False})))
    assert silent.get("/docs/receipt.schema.json").status_code == 404


@pytest.mark.parametrize("target", ["red", "green", "blue"])
@pytest.mark.parametrize("measures", ["", "magnitude,pixels,stability,repeatability"])
def test_every_receipt_keeps_the_schema_and_loses_nothing(
    client: TestClient, picture: bytes, target: str, measures: str
) -> None:
    """What is not in the schema would be dropped on the way out, silently."""
    for receipt in ("fast", "full") if target == "red" else ("fast",):
        options = {"target": target, "receipt": receipt, "measures": measures, "boxes": SQUARE}
        told = explain(client, picture, **options).json()["receipt"]
        jsonschema.validate(told, receipt_schema())
        assert ReceiptBody.model_validate(told).model_dump(mode="json") == told


def test_a_receipt_that_counts_nothing_keeps_the_schema(client: TestClient, picture: bytes) -> None:
    told = evaluate(client, picture, np.ones((4, 4)), measures="magnitude,pixels", boxes=SQUARE).json()[
        "receipt"
    ]
    jsonschema.validate(told, receipt_schema())
    assert told["summary"] == {}
    assert told["measures"]["magnitude"] is None
    assert told["measures"]["localisation"]["pointing_game"] == told["measures"]["localisation"]["chance"]
