import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from training.attack import ascent, attack, project, random_start
from training.config import AttackConfig
from training.modes import evaluating, keeping_statistics
from training.objective import kl_divergence
from training.passes import Passes


def some_budget(generator: torch.Generator) -> torch.Tensor:
    """Of every size, and 0 for about half of the pixels."""
    budget = 0.1 * torch.rand(5, 8, 8, generator=generator)
    return torch.where(torch.rand(5, 8, 8, generator=generator) < 0.5, 0.0, budget)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("loss", ["kl", "cross_entropy"])
def test_no_pixel_moves_further_than_its_budget_nor_out_of_range(norm, loss, network, labels, generator):
    """Exactly, not within a tolerance; and exactly 0 outside the mask. T6: the range of images is [0, 1]."""
    images = torch.rand(5, 3, 8, 8, generator=generator).round(decimals=1)
    budget = some_budget(generator)
    options = AttackConfig(norm=norm, loss=loss, steps=4)
    with evaluating(network):
        delta = attack(network, images, labels, budget, options=options, generator=generator).delta
    assert (delta.abs() <= budget[:, None]).all()
    assert (delta[(budget == 0)[:, None].expand_as(delta)] == 0).all()
    moved = images + delta
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert delta.abs().max() > 0


@settings(max_examples=100, deadline=None)
@given(
    image=st.floats(0, 1, width=32),
    budget=st.floats(0, 1, width=32),
    delta=st.floats(-3, 3, width=32),
    norm=st.sampled_from(["linf", "l2"]),
)
def test_projection_ends_inside_whatever_the_rounding(image, budget, delta, norm):
    images = torch.full((1, 3, 1, 1), image)
    found = project(torch.full((1, 3, 1, 1), delta), images, torch.full((1, 1, 1), budget), norm)
    assert (found.abs() <= torch.tensor(budget, dtype=torch.float32)).all()
    assert ((images + found) <= 1).all()
    assert ((images + found) >= 0).all()


def test_an_l2_perturbation_stays_in_its_ellipsoid(network, images, labels, generator):
    """delta = budget * u with |u|_2 <= 1; a uniform budget is a ball of that radius."""
    budget = torch.full((5, 8, 8), 0.3)
    options = AttackConfig(norm="l2", steps=5)
    with evaluating(network):
        found = attack(network, images, labels, budget, options=options, generator=generator)
    lengths = found.delta.flatten(1).norm(dim=1)
    assert (lengths <= 0.3 * (1 + 1e-6)).all()
    assert (lengths > 0.29).all()


def test_the_steepest_ascent_has_its_closed_form(generator):
    """max <g, eps u> over |u| <= 1: eps sign(g) in l_inf, eps^2 g / |eps g| in L2; 0 where the budget is 0."""
    gradient, budget = torch.randn(5, 3, 8, 8, generator=generator), some_budget(generator)
    limit = budget[:, None].expand_as(gradient)
    assert torch.equal(ascent(gradient, budget, "linf"), limit * gradient.sign())
    length = (limit * gradient).flatten(1).norm(dim=1)[:, None, None, None]
    torch.testing.assert_close(ascent(gradient, budget, "l2"), limit**2 * gradient / length)
    unit = torch.where(limit > 0, ascent(gradient, budget, "l2") / limit, 0)
    torch.testing.assert_close(unit.flatten(1).norm(dim=1), torch.ones(5))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_on_a_linear_network_the_attack_finds_the_optimum(norm, images, generator):
    """Closed form for two classes with difference w: delta = -eps sign(w), or -eps w/|w| in L2."""
    linear = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    zeros = torch.zeros(5, dtype=torch.long)
    w = (linear[1].weight[0] - linear[1].weight[1]).detach().view(3, 8, 8)
    budget = torch.full((5, 8, 8), 0.1)
    options = AttackConfig(norm=norm, loss="cross_entropy", steps=40, step_ratio=4.0)
    delta = attack(linear, images, zeros, budget, options=options, generator=generator).delta
    best = -0.1 * w.sign() if norm == "linf" else -0.1 * w / w.norm()
    found, optimum = (delta * w).sum((1, 2, 3)), (best * w).sum()
    # A sign step cannot overshoot a corner; in L2 the start is turned towards w by each step of 0.1 radii.
    torch.testing.assert_close(found, optimum.expand(5), rtol=1e-6 if norm == "linf" else 5e-3, atol=0)


def test_the_attack_raises_what_it_maximises(network, images, labels):
    with evaluating(network), torch.no_grad():
        clean = network(images)
        budget = torch.full((5, 8, 8), 0.1)
        start = random_start(images, budget, "linf", torch.Generator().manual_seed(9))
        options = AttackConfig(steps=5)
        found = attack(
            network, images, labels, budget, options=options, generator=torch.Generator().manual_seed(9)
        )
        before, after = (kl_divergence(clean, network(images + d)) for d in (start, found.delta))
    assert (after > before).all()


def test_the_divergence_has_no_gradient_where_the_attack_must_not_start(network, images, generator):
    """T1: at delta = 0 the KL divergence is at its minimum; its sign there is rounding noise."""
    network.eval()

    def gradient(points: torch.Tensor) -> float:
        leaf = points.requires_grad_()
        value = kl_divergence(network(images).detach(), network(leaf)).sum()
        return float(torch.autograd.grad(value, leaf)[0].abs().mean())

    start = random_start(images, torch.full((5, 8, 8), 0.03), "linf", generator)
    assert gradient(images.clone()) < 1e-3 * gradient(images + start)
    assert (start != 0).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_start_is_inside_the_budget(norm, images, generator):
    budget = some_budget(generator)
    start = random_start(images, budget, norm, generator)
    assert (start.abs() <= budget[:, None]).all()
    assert ((start != 0) == (budget > 0)[:, None]).all()


def test_steps_add_up_around_the_original_image(network, images, labels, generator):
    """T5: published code projects around the current iterate; 50 steps then drift far beyond epsilon."""
    budget = torch.full((5, 8, 8), 0.03)
    options = AttackConfig(steps=50, step_ratio=50.0)
    with evaluating(network):
        delta = attack(network, images, labels, budget, options=options, generator=generator).delta
    assert delta.abs().max() <= 0.03


def test_the_attack_leaves_no_trace_in_the_network(network, images, labels, generator):
    """T7, T8: running statistics, counters, modes and .grad are what they were."""
    network.train()
    network[3].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with evaluating(network):
        attack(
            network, images, labels, torch.full((5, 8, 8), 0.1), options=AttackConfig(), generator=generator
        )
    assert all((before[name] == value).all() for name, value in network.state_dict().items())
    assert all(weights.grad is None for weights in network.parameters())
    assert network[1].training
    assert not network[3].training


def test_modes_come_back_after_an_error(network):
    network.train()
    with pytest.raises(ZeroDivisionError), evaluating(network):
        raise ZeroDivisionError
    assert network.training


def test_kept_statistics_do_not_move_while_the_batch_normalises(network, images):
    network.train()
    before = network[1].running_mean.clone()
    with keeping_statistics(network):
        network(images)
    assert (network[1].running_mean == before).all()
    network(images)
    assert (network[1].running_mean != before).any()


def test_tiny_gradients_still_move_every_pixel(network, images, labels, generator):
    """T10: a gradient that underflows has sign 0 and attacks nothing; here logits are scaled by 1e-6."""

    class Faint(nn.Module):
        def forward(self, points: torch.Tensor) -> torch.Tensor:
            return 1e-6 * network(points)

    network.eval()
    budget = torch.full((5, 8, 8), 0.03)
    options = AttackConfig(loss="cross_entropy")
    found = attack(Faint(), images, labels, budget, options=options, generator=generator)
    assert found.moved_share > 0.99
    assert found.at_limit_share > 0.9


def test_a_friendly_attack_stops_where_the_image_is_fooled(images):
    """The label's logit falls with brightness: a step or two fools it, and then it stays put."""

    class Dark(nn.Module):
        def forward(self, points: torch.Tensor) -> torch.Tensor:
            level = (points - images).mean((1, 2, 3))
            return torch.stack([-level + 1e-3, level], 1)

    zeros = torch.zeros(5, dtype=torch.long)
    budget = torch.full((5, 8, 8), 0.1)

    def delta(**options: object) -> torch.Tensor:
        chosen = AttackConfig(loss="cross_entropy", steps=20, step_ratio=2.5, **options)
        seeded = torch.Generator().manual_seed(3)
        return attack(Dark(), images, zeros, budget, options=chosen, generator=seeded).delta.mean((1, 2, 3))

    friendly, more, full = delta(friendly=True), delta(friendly=True, friendly_extra_steps=2), delta()
    assert (friendly > 1e-3).all()
    assert (friendly < more).all()
    assert (more < full).all()


def test_the_budget_is_made_anew_as_often_as_asked(network, images, labels, generator):
    asked = []

    def refresh(points: torch.Tensor) -> tuple[torch.Tensor, Passes]:
        asked.append(points)
        mask = torch.zeros(5, 8, 8)
        mask[:, :2] = 0.05
        return mask, Passes(forward=1)

    options = AttackConfig(steps=5, refresh=2)
    with evaluating(network):
        found = attack(
            network,
            images,
            labels,
            torch.full((5, 8, 8), 0.1),
            options=options,
            generator=generator,
            refresh=refresh,
        )
    assert len(asked) == 2
    assert (found.delta[:, :, 2:] == 0).all()
    assert found.delta[:, :, :2].abs().max() <= 0.05
    assert found.passes == Passes(forward=1 + 5 + 2, backward_to_image=5)
