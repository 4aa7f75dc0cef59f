import pytest
import torch

from training.budget import FORMS, budget_map, budget_shares, lowest
from training.config import BudgetConfig


def test_the_mask_has_exactly_its_size_under_ties(generator):
    """T9: half of these pixels are dead; a comparison with a quantile would mark all or none of them."""
    scores = torch.rand(20, 8, 8, generator=generator)
    scores[:, :4] = 0
    mask = lowest(scores, 0.3, generator)
    assert (mask.sum((1, 2)) == round(0.3 * 64)).all()


def test_ties_are_not_broken_by_position(generator):
    """T9: over 200 images of nothing but ties every pixel is chosen about half of the time (6 sigma)."""
    often = lowest(torch.zeros(200, 8, 8), 0.5, generator).mean(0)
    assert ((often - 0.5).abs() < 6 * (0.25 / 200) ** 0.5).all()


def test_the_lowest_are_the_lowest(generator):
    scores = torch.rand(3, 8, 8, generator=generator)
    mask = lowest(scores, 0.25, generator)
    for one, chosen in zip(scores, mask.bool(), strict=True):
        assert one[chosen].max() < one[~chosen].min()


def test_inverted_is_the_rest_of_hard(generator):
    """Without ties the most salient half and the least salient half share nothing."""
    scores = torch.rand(3, 8, 8, generator=generator)
    hard = budget_shares(scores, BudgetConfig(kind="hard"), generator)
    inverted = budget_shares(scores, BudgetConfig(kind="inverted"), generator)
    assert (hard + inverted == 1).all()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("threshold", [1.0, 1.0, 0.0]),
        ("soft", [1.0, 0.75, 0.0]),
        ("exp", [1.0, 2.718281828**-0.5, 2.718281828**-2]),
        ("uniform", [1.0, 1.0, 1.0]),
    ],
)
def test_each_form_is_its_formula(kind, expected, generator):
    options = BudgetConfig(kind=kind, threshold=0.6, gamma=2.0, temperature=0.5)
    if kind == "exp":
        scores = torch.tensor([[[0.0, 0.25, 1.0]]])
    else:
        scores = torch.tensor([[[0.0, 1 - 0.75**0.5, 1.0]]])
    torch.testing.assert_close(budget_shares(scores, options, generator), torch.tensor([[expected]]))


def test_the_random_control_does_not_look(generator):
    """Its agreement with the salient half is chance: 0.5, within 6 sigma over 100 images of 64 pixels."""
    scores = torch.rand(100, 8, 8, generator=generator)
    random = budget_shares(scores, BudgetConfig(kind="random"), generator)
    hard = lowest(scores, 0.5, generator)
    assert abs((random * hard).mean() / 0.5 - 0.5) < 6 * (0.25 / 3200) ** 0.5


@pytest.mark.parametrize("kind", FORMS)
def test_arms_that_are_compared_spend_the_same(kind, generator):
    scores = torch.rand(4, 8, 8, generator=generator)
    scores = scores / scores.amax((1, 2), keepdim=True)
    shares = budget_shares(scores, BudgetConfig(kind=kind), generator)
    spent = budget_map(shares, torch.ones(4), 0.01).mean((1, 2))
    torch.testing.assert_close(spent, torch.full((4,), 0.01))


def test_an_image_that_may_not_move_keeps_a_budget_of_zero():
    """Rescaling 0 to a mean must not divide by it."""
    assert (budget_map(torch.zeros(1, 4, 4), torch.ones(1), 0.01) == 0).all()


def test_every_image_has_its_own_epsilon():
    found = budget_map(torch.ones(2, 1, 1), torch.tensor([0.1, 0.2]), None)
    assert found.flatten().tolist() == pytest.approx([0.1, 0.2])


def test_mixing_replaces_the_map_of_the_announced_share_of_images(generator):
    """T16: without some random masks an early mistake confirms itself. 6 sigma over 400 images."""
    scores = torch.linspace(0, 1, 64).view(1, 8, 8).expand(400, 8, 8)
    shares = budget_shares(scores, BudgetConfig(random_mix=0.25), generator)
    guided = (shares[:, :4] == 1).all((1, 2)).float().mean()
    assert abs(guided - 0.75) < 6 * (0.25 * 0.75 / 400) ** 0.5
