"""Where evidence is planted, when it counts, and what chance would find."""

from collections.abc import Sequence

import numpy as np
import pytest

from service.arrays import Image
from service.bundle.load import Bundle
from service.certificate.certify import predicted
from service.certificate.mosaic import (
    QUADRANTS,
    TRIES,
    Composite,
    area_share,
    bounds,
    compose,
    composites,
    evidence_is_planted,
    mass_in,
)
from service.runtime.model import LoadedModel
from tests.tiny import DEVICE, PROGRAMS


@pytest.fixture(scope="module")
def model(linear: Bundle) -> LoadedModel:
    return LoadedModel(linear, DEVICE, PROGRAMS)


@pytest.mark.parametrize("size", [(4, 4), (5, 7), (2, 3)])
def test_quadrants_tile_the_image(size: tuple[int, int]) -> None:
    covered = np.zeros(size, int)
    for quadrant in range(QUADRANTS):
        covered[bounds(quadrant, *size)] += 1

    assert (covered == 1).all()
    assert sum(area_share(quadrant, *size) for quadrant in range(QUADRANTS)) == pytest.approx(1)


def test_a_composite_shows_each_image_in_its_quadrant() -> None:
    images = [np.full((3, 6, 6), value, np.float32) for value in (0.1, 0.2, 0.3, 0.4)]

    made = compose(images, 6, 6)

    assert (
        made[0].tolist()
        == [[np.float32(0.1)] * 3 + [np.float32(0.2)] * 3] * 3
        + [[np.float32(0.3)] * 3 + [np.float32(0.4)] * 3] * 3
    )


def test_mass_counts_evidence_for_the_target_only() -> None:
    saliency = np.array([[-9, 1], [2, 1]], np.float32)

    assert [mass_in(saliency, quadrant) for quadrant in range(QUADRANTS)] == [0, 0.25, 0.5, 0.25]
    assert mass_in(-np.abs(saliency), 3) == 0.25, "a map without evidence points nowhere"


def test_positions_take_turns_so_that_a_fixed_map_finds_a_quarter(
    model: LoadedModel, images: Sequence[Image]
) -> None:
    """Any map that does not look at the picture scores exactly the quadrants' mean share of the area."""
    classes = [predicted(model, image) for image in images]
    made, tried = composites(model, images, classes, count=8, random=np.random.default_rng(0))
    height, width = images[0].shape[1:]
    centre = np.random.default_rng(1).random((height, width)).astype(np.float32)

    assert len(made) == 8
    assert 8 <= tried <= 8 * TRIES
    assert [one.quadrant for one in made] == [0, 1, 2, 3] * 2
    assert np.mean([mass_in(centre, one.quadrant) for one in made]) == pytest.approx(0.25)


def test_only_the_planted_quadrant_shows_the_target(model: LoadedModel, images: Sequence[Image]) -> None:
    """Found out by matching every quadrant with every picture; a second one of the class would be evidence, too."""
    classes = [predicted(model, image) for image in images]
    made, _ = composites(model, images, classes, count=8, random=np.random.default_rng(0))
    height, width = images[0].shape[1:]

    for one in made:
        shown = [
            {
                label
                for image, label in zip(images, classes, strict=True)
                if (tile := (slice(None), *bounds(quadrant, height, width)))
                and np.array_equal(compose([image] * QUADRANTS, height, width)[tile], one.pixels[tile])
            }
            for quadrant in range(QUADRANTS)
        ]
        assert [one.target in labels for labels in shown] == [
            quadrant == one.quadrant for quadrant in range(QUADRANTS)
        ]
        assert evidence_is_planted(model, one)


def test_evidence_elsewhere_is_not_planted(model: LoadedModel, images: Sequence[Image]) -> None:
    """The same composite with another quadrant named: only one of the four can be where the logit falls most."""
    classes = [predicted(model, image) for image in images]
    [made], _ = composites(model, images, classes, count=1, random=np.random.default_rng(0))

    others = [Composite(made.pixels, made.target, quadrant) for quadrant in range(1, QUADRANTS)]
    assert [evidence_is_planted(model, one) for one in others] == [False] * 3


def test_pictures_of_one_class_make_no_composite(model: LoadedModel, images: Sequence[Image]) -> None:
    assert composites(model, images, [0] * len(images), count=4, random=np.random.default_rng(0)) == ((), 0)


def test_two_pictures_of_two_classes_are_enough(model: LoadedModel, images: Sequence[Image]) -> None:
    made, tried = composites(model, images[:2], [0, 1], count=1, random=np.random.default_rng(0))

    assert tried <= TRIES
    assert len(made) <= 1
