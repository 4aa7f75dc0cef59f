"""Localisation on maps drawn by hand."""

import numpy as np
import pytest

from service.errors import OptionError
from service.faithfulness.measures.localisation import Localisation, localise
from service.imaging.region import Place, region
from service.imaging.resize import Box

RNG = np.random.default_rng(2)


def test_a_map_on_the_object_is_perfect_and_one_beside_it_nothing():
    where = np.zeros((4, 4), np.bool_)
    where[1:3, 1:3] = True
    on, beside = where.astype(np.float32), (~where).astype(np.float32)
    assert localise(on, where) == Localisation(1, 1, 1, 0.25)
    assert localise(beside, where) == Localisation(0, 0, 0, 0.25)


def test_a_constant_map_gets_exactly_chance():
    where = RNG.random((9, 7)) < 0.3
    found = localise(np.ones((9, 7), np.float32), where)
    for value in (found.pointing_game, found.relevance_mass, found.relevance_rank):
        assert value == pytest.approx(where.mean())


def test_random_maps_get_chance_on_average():
    """The chance level that travels with the numbers; four standard errors of 2,000 maps."""
    where = np.zeros((8, 8), np.bool_)
    where[:3, :5] = True
    found = [localise(RNG.random((8, 8)).astype(np.float32), where) for _ in range(2_000)]
    for name in ("pointing_game", "relevance_mass", "relevance_rank"):
        values = np.array([getattr(one, name) for one in found])
        assert abs(values.mean() - 15 / 64) < 4 * values.std() / np.sqrt(len(values)), name


def test_evidence_against_the_target_is_no_mass():
    found = localise(np.array([[-5, -1]], np.float32), np.array([[True, False]]))
    assert found == Localisation(pointing_game=0, relevance_mass=None, relevance_rank=0, chance=0.5)


def test_a_mask_is_the_same_region_as_its_box_wherever_the_model_looks():
    """Also where the model's policy pads beyond the picture, whose pixels there belong to no object."""
    picture = (40, 60)
    mask = np.zeros(picture, np.bool_)
    mask[10:25, 5:50] = True
    for seen in (Box(0, 0, 60, 40), Box(10, 3, 30, 30), Box(0, -10, 60, 60)):
        by_mask = region(Place(mask=mask), picture, seen, height=12, width=12)
        by_box = region(Place(boxes=((5, 10, 50, 25),)), picture, seen, height=12, width=12)
        np.testing.assert_array_equal(by_mask, by_box)


def test_a_region_is_the_literal_lookup_of_every_pixels_centre():
    mask = RNG.random((31, 17)) < 0.5
    seen = Box(-3.5, 2.25, 20, 24)
    found = region(Place(mask=mask), mask.shape, seen, height=9, width=11)
    for row in range(9):
        for column in range(11):
            y, x = 2.25 + (row + 0.5) * 24 / 9, -3.5 + (column + 0.5) * 20 / 11
            inside = 0 <= y < 31 and 0 <= x < 17
            assert found[row, column] == (inside and mask[int(y), int(x)])


@pytest.mark.parametrize(
    ("place", "what"),
    [
        (Place(boxes=((0, 0, 8, 8),)), "all of what"),
        (Place(boxes=((20, 20, 30, 30),)), "none of what"),
        (Place(mask=np.zeros((8, 8), np.bool_)), "none of what"),
        (Place(mask=np.ones((8, 9), np.bool_)), "9 x 8"),
    ],
)
def test_a_region_that_no_map_could_miss_or_find_is_refused(place: Place, what: str):
    with pytest.raises(OptionError, match=what):
        region(place, (8, 8), Box(0, 0, 8, 8), height=4, width=4)
