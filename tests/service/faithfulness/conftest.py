"""A linear model of one cell per pixel, where the best and the worst order are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from service.explain.subject import Subject
from service.runtime.calibration import Pace
from service.runtime.model import LoadedModel
from service.runtime.plan import Direction
from tests.tiny import linear_model, load_tiny

SIDE = 14


@pytest.fixture(scope="session")
def evidence() -> NDArray[np.float32]:
    """``[3, 14, 14]``: weights of the target, of every sign."""
    weight = np.random.default_rng(11).standard_normal((3, SIDE, SIDE))
    return (0.06 * weight).astype(np.float32)


@pytest.fixture(scope="session")
def linear(evidence: NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """Two classes, of which only the second has weights: its probability is a sigmoid of the weighted sum."""
    weight = np.stack([np.zeros_like(evidence), evidence])
    model = load_tiny(linear_model(weight, np.array([0, -3], np.float32)), tmp_path_factory.mktemp("linear"))
    model._paces = {Direction.FORWARD: Pace(micro_batch=64, pass_seconds=1e-4)}
    return model


@pytest.fixture(scope="session")
def bright(evidence: NDArray[np.float32]) -> NDArray[np.float32]:
    """``[3, 14, 14]``: bright where the evidence is for the target, so that there is something at stake."""
    noise = np.random.default_rng(12).random((3, SIDE, SIDE))
    return (0.5 * noise + 0.5 * (evidence > 0)).astype(np.float32)


@pytest.fixture
def subject(linear: LoadedModel, bright: NDArray[np.float32]) -> Subject:
    return Subject.of(linear, bright, target=1, seed=3)
