"""How the micro-batch of a model is chosen."""

import numpy as np
import pytest

from service.runtime.calibration import Pace, TimedModel, pace_plan
from service.runtime.model import LoadedModel
from service.runtime.plan import Direction, MicroBatch, Stage
from tests.tiny import linear_model, load_tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    weight = np.random.default_rng(3).standard_normal((2, 3, 4, 4)).astype(np.float32)
    return load_tiny(linear_model(weight, np.zeros(2, np.float32)), tmp_path_factory.mktemp("linear"))


def paced(model: LoadedModel, once_s: float, pass_s: float) -> tuple[Pace, list[MicroBatch]]:
    """Choose on a device that takes so long per micro-batch and per pass; return what it was asked, too."""
    timed, asked = TimedModel(model), []
    plan = pace_plan(timed, Direction.FORWARD)
    batch = next(plan)
    while True:
        asked.append(batch)
        timed.seconds = once_s + batch.size * pass_s
        try:
            batch = plan.send({})
        except StopIteration as end:
            return end.value, asked


@pytest.mark.parametrize(
    ("once_s", "size"),
    # Per pass of 7 s with 2 s around: 9, 8, 7.5 and 7.25 for 1, 2, 4 and 8, and the last saves less than 5 %.
    [(0.0, 1), (2.0, 4), (100.0, 8)],
)
def test_a_larger_micro_batch_has_to_earn_it(model: LoadedModel, once_s: float, size: int):
    """Everybody else waits longer for it."""
    pace, _ = paced(model, once_s, 7.0)

    assert pace == Pace(size, once_s / size + 7.0)


def test_what_is_paid_around_the_passes_is_measured_too(model: LoadedModel):
    """Bare passes would say that a micro-batch of one is as good as any."""
    _, asked = paced(model, 0.0, 1.0)

    for batch in asked:
        assert isinstance(batch.images, Stage)
        assert model.run(batch)["logit"].numpy().shape == (batch.size,)
    assert {batch.size for batch in asked} == {1, 2, 4, 8}
