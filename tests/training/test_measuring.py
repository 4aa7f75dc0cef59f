"""Robustness, stability, randomisation and localisation on networks whose answers are known."""

import numpy as np
import pytest
import torch
from torch import nn

from training.localisation import area_share, mass_in_boxes
from training.randomisation import randomisation_checks, randomised
from training.robustness import black_box_accuracy, white_box_accuracy
from training.stability import stability


class Brightness(nn.Module):
    """Class 1 is bright, with a margin of ``2 * |mean - 0.5|``: an attack of that half decides."""

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        level = points.mean((1, 2, 3)) - 0.5
        return torch.stack([-level, level], 1)


def flat(levels: list[float]) -> torch.Tensor:
    return torch.tensor(levels).view(-1, 1, 1, 1).expand(-1, 3, 8, 8).clone()


def test_accuracy_under_attack_is_the_share_beyond_epsilon(generator):
    """Levels 0.02, 0.06 and 0.2 above the threshold: an epsilon of 0.1 turns two of three."""
    images, labels = flat([0.52, 0.56, 0.7]), torch.ones(3, dtype=torch.long)
    assert white_box_accuracy(Brightness(), images, labels, 0.1, generator) == pytest.approx(1 / 3)
    assert white_box_accuracy(Brightness(), images, labels, 0.001, generator) == 1


def test_the_random_search_finds_what_needs_no_gradient(generator):
    images, labels = flat([0.52, 0.7]), torch.ones(2, dtype=torch.long)
    found = black_box_accuracy(Brightness(), images, labels, 0.1, queries=60, generator=generator)
    assert found == 0.5


def test_masked_gradients_show_as_a_gap(generator):
    """T15: rounding the answer kills the gradient, so PGD hardly moves; the random search does not care."""

    class Masked(nn.Module):
        def forward(self, points: torch.Tensor) -> torch.Tensor:
            level = points.mean((1, 2, 3)) - 0.5
            steps = torch.round(level * 200) / 200 + 0 * level
            return torch.stack([-steps, steps], 1)

    images, labels = flat([0.52, 0.52]), torch.ones(2, dtype=torch.long)
    white = white_box_accuracy(Masked(), images, labels, 0.1, generator)
    black = black_box_accuracy(Masked(), images, labels, 0.1, queries=60, generator=generator)
    assert white == 1
    assert black == 0


def test_the_map_of_a_linear_network_never_moves(images, labels, generator):
    linear = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    change, ratio = stability(linear, images, labels, radius=0.05, draws=3, generator=generator)
    assert change.abs().max() < 1e-5
    assert ratio.shape == (5,)


def test_the_map_of_a_network_with_kinks_does(network, images, labels, generator):
    change, ratio = stability(network, images, labels, radius=0.05, draws=3, generator=generator)
    assert (change > 1e-3).all()
    assert (ratio > 0).all()


def test_randomisation_leaves_the_network_alone_and_changes_the_copy(network):
    before = [weights.clone() for weights in network.parameters()]
    last, every = randomised(network, 0, last_only=True), randomised(network, 0, last_only=False)
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    assert torch.equal(last[0].weight, network[0].weight)
    assert not torch.equal(last[6].weight, network[6].weight)
    assert not torch.equal(every[0].weight, network[0].weight)


def test_a_map_that_ignores_the_network_fails_the_check(images, labels):
    """A network whose gradient is the image itself, whatever its weights: correlation 1 everywhere."""

    class Edge(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.Linear(1, 1)

        def forward(self, points: torch.Tensor) -> torch.Tensor:
            energy = points.square().sum((1, 2, 3))
            return torch.stack([energy, energy, energy], 1)

    found = randomisation_checks(Edge(), images, labels)
    assert found["all_layers_randomised"] == pytest.approx(1)
    assert found["next_class"] == pytest.approx(1)


def test_mass_in_a_box_of_a_uniform_map_is_its_area():
    boxes = np.array([[1.0, 1.0, 5.0, 3.0], [2.0, 2.0, 6.0, 4.0]])
    share = area_share(boxes, 8, 8)
    assert share == (8 + 8 - 3) / 64
    assert mass_in_boxes(np.ones((8, 8), np.float32), boxes) == pytest.approx(share)


def test_a_map_of_zeros_is_nowhere():
    assert mass_in_boxes(np.zeros((4, 4), np.float32), np.array([[0.0, 0.0, 2.0, 2.0]])) is None
