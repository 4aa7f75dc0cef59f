"""RISE on the device, from seed to map."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from service.errors import OptionError
from service.explain.explanation import Explanation
from service.explain.grid_masks import GridMasks
from service.explain.rise import METHOD, RiseParameters
from service.explain.sampling import ROUND
from service.explain.subject import Subject
from service.imaging.baselines import channel_mean
from service.runtime.drive import drive
from service.runtime.limits import within
from service.runtime.model import LoadedModel
from service.runtime.plan import DeadlineReached
from tests.tiny import conv_model, load_tiny

SIZE = 10
RNG = np.random.default_rng(17)
KERNEL = RNG.standard_normal((6, 3, 3, 3)).astype(np.float32)
PIXELS = RNG.random((3, SIZE, SIZE), dtype=np.float32)


def undecided_head() -> NDArray[np.float32]:
    """Five classes that are about equally likely, so that every mask tips the balance."""
    features = literal_features(PIXELS[None].astype(np.float64))[0]
    head = 10 * RNG.standard_normal((5, 6))
    return (head - np.outer(head @ features, features) / (features @ features)).astype(np.float32)


def literal_features(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over space of ``relu(conv(image))`` in float64 PyTorch."""
    convolved = torch.nn.functional.conv2d(
        torch.from_numpy(images), torch.from_numpy(KERNEL).double(), padding=1
    )
    return np.asarray(convolved.relu().mean(dim=(2, 3)).numpy())


HEAD = undecided_head()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_tiny(conv_model(KERNEL, HEAD, size=SIZE), tmp_path_factory.mktemp("conv"))


def explain(
    model: LoadedModel, *, seed: int = 0, forwards: int | None = None, **options: object
) -> Explanation:
    subject = Subject.of(model, PIXELS, target=1, seed=seed)
    plan = METHOD.plan(subject, RiseParameters.model_validate({"cells": 3, **options}))
    return drive(within(plan, forwards=forwards), model)


def literal_probability(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of class 1."""
    exponentials = np.exp(literal_features(images) @ HEAD.astype(np.float64).T)
    return np.asarray(exponentials[:, 1] / exponentials.sum(axis=1))


def test_the_plain_map_is_equation_six_of_the_paper(model: LoadedModel):
    """``1 / (N p) sum f(image * mask) mask``, with the masks enlarged by PyTorch, all in float64."""
    count, keep = 60, 0.4
    masks = GridMasks.draw(SIZE, SIZE, cells=3, keep=keep, count=count, seed=3)
    enlarged = torch.nn.functional.interpolate(
        torch.from_numpy(masks.grids.astype(np.float64))[:, None],
        (16, 16),
        mode="bilinear",
        align_corners=False,
    )[:, 0].numpy()
    shown = np.stack(
        [
            whole[top : top + SIZE, left : left + SIZE]
            for whole, (top, left) in zip(enlarged, masks.shifts, strict=True)
        ]
    )
    baseline = channel_mean(PIXELS).astype(np.float64)
    values = literal_probability(baseline + shown[:, None] * (PIXELS - baseline))
    expected = np.tensordot(values, shown, 1) / (count * keep)
    got = explain(model, seed=3, masks=count, keep=keep, agreement=None, estimator="plain")
    # Float32 logits: sums of 27, of 100 and of 6 values up to 30, and a softmax that passes on a quarter.
    tolerance = 30 / 4 * (27 + 100 + 6) * float(np.finfo(np.float32).eps)
    assert values.std() > 100 * tolerance, "answers that hardly differ test nothing"
    np.testing.assert_allclose(got.map, expected, rtol=0, atol=tolerance)
    assert got.converged
    assert got.forwards == count


@pytest.mark.parametrize("size", [1, 3, 100])
def test_the_map_does_not_depend_on_the_micro_batch(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch, size: int
):
    """Neither its values nor when it stops; 100 is more than a round."""
    expected = explain(model, masks=400)
    monkeypatch.setattr(LoadedModel, "micro_batch", lambda _self, _direction: size)
    got = explain(model, masks=400)
    assert got.forwards == expected.forwards
    # The classifier's own sums may be taken in another order for another batch.
    np.testing.assert_allclose(got.map, expected.map, rtol=0, atol=1e-6 * np.abs(expected.map).max())


@pytest.mark.parametrize("size", [1, 3, 100])
def test_where_it_stops_does_not_depend_on_the_micro_batch(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch, size: int
):
    """Neither for one that a round is no multiple of, nor for one larger than a round."""
    expected = explain(model, masks=4000, agreement=0.9)
    monkeypatch.setattr(LoadedModel, "micro_batch", lambda _self, _direction: size)
    assert explain(model, masks=4000, agreement=0.9).forwards == expected.forwards < 4000


def test_the_seed_decides(model: LoadedModel):
    one, again, other = (explain(model, masks=300, agreement=None, seed=seed) for seed in (1, 1, 2))
    assert one.map.tobytes() == again.map.tobytes()
    assert one.standard_error is not None
    assert again.standard_error is not None
    assert one.standard_error.tobytes() == again.standard_error.tobytes()
    assert one.map.tobytes() != other.map.tobytes()
    assert np.corrcoef(one.map.ravel(), other.map.ravel())[0, 1] > 0.8


def test_it_stops_when_the_map_has_settled(model: LoadedModel):
    got = explain(model, masks=4000, agreement=0.9)
    final = explain(model, masks=8000, agreement=None, seed=9)
    assert got.converged
    assert got.warnings == ()
    assert got.forwards < 4000
    assert got.forwards % ROUND == 0
    assert np.corrcoef(got.map.ravel(), final.map.ravel())[0, 1] > 0.85


def test_too_few_masks_are_called_so(model: LoadedModel):
    got = explain(model, masks=50, agreement=0.999)
    assert not got.converged
    assert "after 50 masks; raise masks for more" in got.warnings[0]
    assert "too few to tell" in got.warnings[0]
    more = explain(model, masks=200, agreement=0.999)
    assert "agreement with the final map is about 0." in more.warnings[0]
    assert got.standard_error is not None


@pytest.mark.parametrize("size", [1, 8])
def test_max_forwards_is_used_up_to_the_last(model: LoadedModel, monkeypatch: pytest.MonkeyPatch, size: int):
    """Thirteen is no multiple of the micro-batch; the map is that of the first thirteen masks."""
    monkeypatch.setattr(LoadedModel, "micro_batch", lambda _self, _direction: size)
    got = explain(model, forwards=13, agreement=0.99)
    assert got.forwards == 13
    assert not got.converged
    assert got.warnings[0].startswith("max_forwards: 13 of 4000 masks were used")
    expected = explain(model, masks=13, agreement=None)
    np.testing.assert_allclose(got.map, expected.map, rtol=0, atol=1e-6 * np.abs(expected.map).max())


def test_at_the_deadline_the_masks_so_far_count(model: LoadedModel):
    plan = METHOD.plan(Subject.of(model, PIXELS, target=1), RiseParameters(cells=3, masks=100))
    batch = next(plan)
    for _ in range(20):
        batch = plan.send(model.run(batch))
    with pytest.raises(StopIteration) as end:
        plan.throw(DeadlineReached())
    got: Explanation = end.value.value
    assert got.forwards == 20
    assert not got.converged
    assert got.warnings[0].startswith("deadline: 20 of 100 masks were used")


def test_a_deadline_before_there_is_an_error_to_state_is_no_answer(model: LoadedModel):
    plan = METHOD.plan(Subject.of(model, PIXELS, target=1), RiseParameters(cells=3))
    plan.send(model.run(next(plan)))
    with pytest.raises(DeadlineReached):
        plan.throw(DeadlineReached())


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({"masks": 0}, "greater than or equal to 10"),
        ({"masks": 10**9}, "less than or equal to 20000"),
        ({"keep": 0}, "greater than 0"),
        ({"keep": 1}, "less than 1"),
        ({"keep": float("nan")}, "finite number"),
        ({"cells": 1}, "greater than or equal to 2"),
        ({"agreement": 1}, "less than 1"),
        ({"baseline": "nan"}, "'black', 'channel_mean' or 'gaussian_blur'"),
        ({"estimator": "best"}, "'adjusted', 'centred' or 'plain'"),
    ],
)
def test_options_out_of_range_name_the_limit(options: dict[str, object], limit: str):
    with pytest.raises(ValidationError, match=limit):
        RiseParameters.model_validate(options)


def test_cells_smaller_than_a_pixel_are_refused(model: LoadedModel):
    with pytest.raises(OptionError, match="cells is 11 per side; the model's input is 10 x 10 pixels"):
        explain(model, cells=11)
    with pytest.raises(OptionError, match="Choose at most 10"):
        METHOD.forwards(SIZE, SIZE, RiseParameters(cells=64))


def test_a_contrast_of_two_classes_is_explained(model: LoadedModel):
    """Why the one rather than the other is the opposite of why the other rather than the one."""
    maps = []
    for target, contrast in ((1, 2), (2, 1)):
        subject = Subject.of(model, PIXELS, target=target, contrast=contrast)
        parameters = RiseParameters(cells=3, masks=100, agreement=None, scalar="logit")
        maps.append(drive(METHOD.plan(subject, parameters), model).map)
    np.testing.assert_allclose(maps[0], -maps[1], rtol=0, atol=1e-6 * np.abs(maps[0]).max())


def test_a_model_with_sigmoids_is_explained_too(tmp_path: Path):
    model = load_tiny(conv_model(KERNEL, HEAD, size=SIZE), tmp_path, task="multi_label")
    assert explain(model, masks=50, agreement=None).converged
