"""The panel on linear models, where the best and the worst order are known with pencil and paper.

Removing a set of cells takes the sum of ``weight * (image - replacement)`` over them from the logit, and the
probability is a growing function of the logit. So of all sets of k cells the k with the largest sums take most
from it: the order by these sums is the best at every step, and its reverse the worst.
"""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service.explain.subject import Subject
from service.faithfulness.curve import CurvePair
from service.faithfulness.grid import Grid
from service.faithfulness.operators.operator import Removal
from service.faithfulness.operators.registry import OPERATORS
from service.faithfulness.order import most_relevant_first
from service.faithfulness.panel import Orders, Panel, panel_plan
from service.runtime.drive import drive
from service.runtime.model import LoadedModel
from tests.reference import curves
from tests.tiny import linear_model, load_tiny

HEIGHT, WIDTH, CELL = 4, 8, 2
GRID = Grid.over(HEIGHT * CELL, WIDTH * CELL, rows=2, columns=4)
RNG = np.random.default_rng(21)
WEIGHT = RNG.standard_normal((3, HEIGHT * CELL, WIDTH * CELL)).astype(np.float32) * 0.2

# Sums of 384 products of size about 0.1, then a sigmoid, in float32.
TOLERANCE = 384 * 0.1 * float(np.finfo(np.float32).eps)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    weight = np.stack([np.zeros_like(WEIGHT), WEIGHT])
    return load_tiny(linear_model(weight, np.array([0, 0.5], np.float32)), tmp_path_factory.mktemp("linear"))


@pytest.fixture(scope="module")
def subject(model: LoadedModel) -> Subject:
    """Cells with something inside and the same grey all around.

    So ROAD finds only grey around every hole, whatever else is removed, and is additive as well.
    """
    pixels = np.full(WEIGHT.shape, 0.4, np.float32)
    for top in range(0, HEIGHT * CELL, 4):
        for left in range(0, WIDTH * CELL, 4):
            pixels[:, top + 1 : top + 3, left + 1 : left + 3] = RNG.random((3, 2, 2))
    return Subject.of(model, pixels, target=1, seed=4)


def sigmoid(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


def images(removal: Removal, removed: NDArray[np.bool_]) -> NDArray[np.float32]:
    stage = removal(removed)
    made: NDArray[np.float32] = stage.program(stage.inputs)["images"].numpy()
    return made


def emptied(subject: Subject, name: str) -> NDArray[np.float32]:
    """``[3, H, W]``: what every cell shows when it is removed alone."""
    removal = OPERATORS[name].prepare(subject, GRID)
    one_by_one = images(removal, np.eye(GRID.size, dtype=np.bool_))
    row, column = np.indices(GRID.segments.shape)
    return one_by_one[GRID.segments, :, row, column].transpose(2, 0, 1)


def measure(subject: Subject, name: str, map_order: NDArray[np.int64]) -> Panel:
    logit = float((WEIGHT * subject.pixels).sum() + 0.5)
    orders = Orders(map=map_order, beyond=None, controls={}, random=1)
    plan = panel_plan(
        subject, OPERATORS[name], GRID, orders, steps=GRID.size, clear_probability=sigmoid(logit)
    )
    return drive(plan, subject.model)


def all_sets(worth: NDArray[np.float64], logit: float) -> list[list[float]]:
    """For every k, the probability after removing each set of k cells."""
    return [
        [sigmoid(logit - sum(worth[list(chosen)])) for chosen in combinations(range(len(worth)), count)]
        for count in range(len(worth) + 1)
    ]


@pytest.mark.parametrize("name", OPERATORS)
def test_the_perfect_map_is_the_best_of_all_orders_and_its_reverse_the_worst(subject: Subject, name: str):
    """Against every set of cells of every size: MoRF runs along their lower edge, LeRF along the upper."""
    taken = (WEIGHT * (subject.pixels - emptied(subject, name))).sum(axis=0)
    worth = GRID.cell_sums(taken)
    logit = float((WEIGHT * subject.pixels).sum() + 0.5)
    lowest, highest = (
        [extreme(probabilities) for probabilities in all_sets(worth, logit)] for extreme in (min, max)
    )
    perfect = measure(subject, name, most_relevant_first(worth, RNG)).map
    if name == "road":  # with nothing left to ask, ROAD shows the mean colour
        perfect = CurvePair(perfect.morf[:-1], perfect.lerf[:-1], GRID.size)
        lowest, highest = lowest[:-1], highest[:-1]
    np.testing.assert_allclose(perfect.morf, lowest, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(perfect.lerf, highest, rtol=0, atol=TOLERANCE)

    reversed_map = measure(subject, name, most_relevant_first(-worth, RNG)).map
    np.testing.assert_array_equal(reversed_map.morf[: len(lowest)], perfect.lerf)
    np.testing.assert_array_equal(reversed_map.lerf[: len(lowest)], perfect.morf)


@pytest.mark.parametrize("name", ["channel_mean", "gaussian_blur", "noise", "black"])
def test_curves_are_those_of_a_literal_deletion(subject: Subject, name: str):
    """Cell by cell, pixel by pixel, channel by channel, in float64."""
    saliency = RNG.standard_normal(GRID.segments.shape)
    replacement = emptied(subject, name).astype(np.float64)

    def probability(image: NDArray[np.float64]) -> float:
        return sigmoid(float((WEIGHT * image).sum() + 0.5))

    order = most_relevant_first(GRID.cell_sums(saliency.astype(np.float32)), RNG)
    got = measure(subject, name, order).map
    for found, auc, first in [(got.morf, got.auc_morf, True), (got.lerf, got.auc_lerf, False)]:
        expected = curves.curve(
            probability,
            subject.pixels.astype(np.float64),
            replacement,
            saliency,
            side=4,
            steps=GRID.size,
            most_relevant_first=first,
        )
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
        assert auc == pytest.approx(curves.area(expected, GRID.size), abs=TOLERANCE)


def test_one_cell_that_decides_gives_deletion_0_and_insertion_1(tmp_path: Path):
    """The model is sure of the target while one cell is white, and sure against it when that is black.

    All that is missing from 0 and 1 is half of the stride within which the curve falls: 1 / (2 cells).
    """
    weight = np.zeros((2, 3, 4, 4), np.float32)
    weight[1, :, 2, 1] = 100
    model = load_tiny(linear_model(weight, np.array([0, -150], np.float32)), tmp_path)
    subject = Subject.of(model, np.ones((3, 4, 4), np.float32), target=1)
    grid = Grid.over(4, 4, rows=4, columns=4)
    first = np.eye(1, 16, 9).ravel()
    orders = Orders(map=most_relevant_first(first, RNG), beyond=None, controls={}, random=1)
    plan = panel_plan(subject, OPERATORS["black"], grid, orders, steps=16, clear_probability=1.0)
    perfect = drive(plan, model).map
    assert perfect.auc_morf == pytest.approx(1 / 32, abs=1e-7)
    assert perfect.auc_lerf == pytest.approx(1 - 1 / 32, abs=1e-7)
    assert perfect.srg == pytest.approx(15 / 16, abs=1e-7)


@pytest.mark.parametrize("name", OPERATORS)
def test_a_pixel_is_removed_with_all_its_colours(model: LoadedModel, name: str):
    """A map has one value per pixel; removing channels one by one would rank what no map ranks."""
    pixels = RNG.random(WEIGHT.shape, dtype=np.float32)
    removal = OPERATORS[name].prepare(Subject.of(model, pixels, target=1), GRID)
    removed = RNG.random((3, GRID.size)) < 0.5
    for image, hole in zip(images(removal, removed), removed[:, GRID.segments], strict=True):
        np.testing.assert_array_equal(image[:, ~hole], pixels[:, ~hole])
        assert (image[:, hole] != pixels[:, hole]).mean() > 0.95
