"""Windows that are computed anew: the same answers as whole passes, for less."""

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from service.bundle.float64 import Float64Graph
from service.bundle.load import load_bundle
from service.explain.explanation import Explanation
from service.explain.methods import METHODS
from service.explain.occlusion import sliding_windows
from service.explain.subject import Subject
from service.graphs.incremental.crops import Crops, Places
from service.graphs.incremental.cuts import cut
from service.graphs.incremental.write import incremental_graph
from service.graphs.read import read_model
from service.imaging.baselines import channel_mean
from service.job import check_job
from service.request import ExplainOptions
from service.runtime.drive import drive
from service.runtime.model import LoadedModel
from service.runtime.plan import Direction, MicroBatch
from tests.kernels import nodes_without_cuda_kernel
from tests.tiny import DEVICE, PROGRAMS, linear_model, load_tiny

MODELS = Path(__file__).parents[3] / "models"
BUNDLES = sorted(MODELS.glob("*/*"))
OCCLUSION = METHODS["occlusion"]


@pytest.fixture(scope="module", params=BUNDLES, ids=lambda path: path.parent.name)
def model(request: pytest.FixtureRequest) -> LoadedModel:
    return LoadedModel(load_bundle(request.param), DEVICE, PROGRAMS)


def explain(model: LoadedModel, **parameters: object) -> tuple[Explanation, list[MicroBatch]]:
    """Occlude a picture of noise; also give what the device was asked."""
    pixels = np.random.default_rng(4).random((3, model.height, model.width), dtype=np.float32)
    plan = OCCLUSION.plan(
        Subject.of(model, pixels, target=1), OCCLUSION.parameters.model_validate(parameters)
    )
    asked: list[MicroBatch] = []

    class Noting:
        name, pass_seconds = model.name, 0.0
        cost, shrink = model.cost, model.shrink

        @staticmethod
        def run(batch: MicroBatch) -> object:
            asked.append(batch)
            return model.run(batch)

    return drive(plan, Noting()), asked


@pytest.mark.parametrize("part", [7, 5, 12])
def test_the_map_is_that_of_whole_passes(model: LoadedModel, part: int, monkeypatch: pytest.MonkeyPatch):
    """Two orders of the same sums; the wrong place of a single pixel shows in the fourth digit."""
    window = model.height // part
    options = {"window": window, "stride": max(1, window * 2 // 3)}
    found, asked = explain(model, **options)
    monkeypatch.setattr(model, "incremental", None)
    expected, whole = explain(model, **options)
    assert {batch.direction for batch in asked} == {Direction.INCREMENTAL}
    assert {batch.direction for batch in whole} == {Direction.FORWARD}
    assert found.forwards == expected.forwards == sum(batch.size for batch in whole)
    assert sum(batch.size for batch in asked) == found.forwards
    # Logits of up to 20; float32 sums of some thousand terms, two layers of rounding for each of a few dozen layers.
    np.testing.assert_allclose(found.map, expected.map, rtol=0, atol=20 * 1e-6)
    assert np.abs(expected.map).max() > 100 * 20 * 1e-6


def test_the_falls_are_those_of_the_classifier_in_float64():
    """No worse than those of whole passes in float32, by more than rounding may fall out differently."""
    model = LoadedModel(load_bundle(MODELS / "cifar10-standard" / "1"), DEVICE, PROGRAMS)
    exact = Float64Graph(read_model(MODELS / "cifar10-standard" / "1" / "classify.onnx"))
    pixels = np.random.default_rng(4).random((3, 32, 32), dtype=np.float32)
    windows = sliding_windows(32, 32, window=8, stride=8)
    shown = channel_mean(pixels)
    images = np.repeat(pixels[None], len(windows), axis=0)
    for image, (top, left, bottom, right) in zip(images, windows, strict=True):
        image[:, top:bottom, left:right] = shown[:, top:bottom, left:right]

    expected = exact({"image": images.astype(np.float64)}, "logits")
    whole = model.run(MicroBatch(DEVICE.upload(images), len(images)))["logits"].numpy()
    found = recomputed(model, pixels, shown, windows)
    assert np.abs(found - expected).max() <= 3 * np.abs(whole - expected).max()


def recomputed(
    model: LoadedModel, pixels: NDArray[np.float32], shown: NDArray[np.float32], windows: NDArray[np.int64]
) -> NDArray[np.float32]:
    passes = model.incremental
    assert passes is not None
    table = passes.pixels(pixels, shown)
    tables = model.run(MicroBatch(passes.whole(table), 1, Direction.INCREMENTAL))
    pieces = passes.pieces(table, tables, windows, (8, 8))(slice(0, len(windows)))
    return model.run(MicroBatch(pieces, len(windows), Direction.INCREMENTAL))["logits"].numpy()


def test_a_window_that_shows_the_image_itself_changes_nothing():
    model = LoadedModel(load_bundle(MODELS / "cifar10-standard" / "1"), DEVICE, PROGRAMS)
    pixels = np.random.default_rng(4).random((3, 32, 32), dtype=np.float32)
    same = recomputed(model, pixels, pixels, sliding_windows(32, 32, window=8, stride=8))
    whole = model.run(MicroBatch(DEVICE.upload(pixels[None]), 1))["logits"].numpy()
    np.testing.assert_allclose(same, np.broadcast_to(whole, same.shape), atol=20 * 1e-6)


def test_what_would_not_pay_takes_whole_passes(model: LoadedModel):
    """A window of nearly the whole image leaves nothing that is not to be computed anew."""
    assert model.incremental is not None
    assert not model.incremental.pays(model.height, model.width)
    _, asked = explain(model, window=model.height - 1, stride=1)
    assert {batch.direction for batch in asked} == {Direction.FORWARD}


def test_a_classifier_that_looks_at_everything_at_once_has_none(tmp_path: Path):
    weight = np.random.default_rng(3).standard_normal((2, 3, 8, 8)).astype(np.float32)
    assert load_tiny(linear_model(weight, np.zeros(2, np.float32)), tmp_path).incremental is None


def test_one_that_does_not_agree_is_not_used_and_said_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """By a place: the mistake that there would be."""
    right = Crops.places

    def one_place_off(self: Crops, chosen: slice) -> dict[str, Places]:
        places = right(self, chosen)
        return places | {"right_1": np.where(places["right_1"] > 0, places["right_1"] - 1, places["right_1"])}

    monkeypatch.setattr(Crops, "places", one_place_off)
    with caplog.at_level(logging.ERROR):
        model = LoadedModel(load_bundle(MODELS / "cifar10-standard" / "1"), DEVICE, PROGRAMS)
    assert model.incremental is None
    assert Direction.INCREMENTAL not in model.directions
    assert "whole passes" in caplog.text
    explain(model)


def test_one_that_cannot_run_is_not_used_and_said_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(Crops, "places", lambda *_: {})
    with caplog.at_level(logging.ERROR):
        model = LoadedModel(load_bundle(MODELS / "cifar10-standard" / "1"), DEVICE, PROGRAMS)
    assert model.incremental is None
    assert "cannot recompute" in caplog.text


def test_the_price_is_that_of_what_is_computed(model: LoadedModel, monkeypatch: pytest.MonkeyPatch):
    """So that a deadline is not refused that can be kept."""
    model.warm_up()
    window = model.height // 7
    options = ExplainOptions(
        method="occlusion", parameters={"window": window, "stride": window}, receipt="none"
    )
    job = check_job(model, options)
    pass_cost = model.forwards_per_pass(Direction.INCREMENTAL)
    assert job.stages["explain"].cost == pytest.approx(job.explain_forwards * pass_cost)
    _, asked = explain(model, window=window, stride=window)
    first, *rest = asked
    # The image is computed whole once, and costs what a whole pass does as far as the estimate is right.
    assert model.cost(first) > max(model.cost(batch) / batch.size for batch in rest)
    assert sum(model.cost(batch) for batch in rest) == pytest.approx((job.explain_forwards - 1) * pass_cost)
    monkeypatch.setattr(model, "incremental", None)
    assert check_job(model, options).stages["explain"].cost == job.explain_forwards


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda path: path.parent.name)
def test_every_node_has_a_cuda_kernel(folder: Path):
    classify = onnx.load(folder / "classify.onnx", load_external_data=False)
    found = cut(classify)
    assert found is not None
    assert nodes_without_cuda_kernel(incremental_graph(classify, found)) == []
