from dataclasses import replace

import pytest
import torch
from torch import nn

from training.arms import ARMS
from training.arms.situation import Situation
from training.budget import lowest
from training.checkpoint import load_checkpoint
from training.loop import fit
from training.modes import evaluating
from training.passes import Passes
from training.random import seed_of
from training.saliency import input_gradient
from training.schedule import Intensity


@pytest.fixture
def situation(network, images, labels, make_config):
    def make(*, full: bool = True, **changes: object) -> Situation:
        network.train()
        strength = Intensity(1.0, 1.0) if full else Intensity(0.0, 0.0)
        seeded = torch.Generator().manual_seed(4)
        return Situation(network, network, images, labels, make_config(**changes), strength, seeded)

    return make


def trained(config) -> dict[str, torch.Tensor]:
    fit(config, quiet=True)
    return dict(load_checkpoint(config.output / "last.safetensors").network)


@pytest.mark.parametrize(
    "changes",
    [
        {"arm": "scaat", "attack__epsilon": 0.0},
        {"arm": "scaat", "budget__mean_epsilon": 0.0},
        {"arm": "scaat", "objective__consistency": 0.0},
        {"arm": "uniform-at", "attack__epsilon": 0.0},
        {"arm": "noise", "attack__epsilon": 0.0},
        {"arm": "consistency-weighted", "attack__epsilon": 0.0},
        {"arm": "free-l2", "attack__radius": 0.0},
        {"arm": "scaat", "schedule__warm_up": 1.0},
        {"arm": "sgt", "schedule__warm_up": 1.0},
        {"arm": "sgt", "objective__consistency": 0.0},
        {"arm": "sgt-signed", "objective__consistency": 0.0},
        {"arm": "free-l2", "schedule__warm_up": 1.0},
        {"arm": "input-gradient-l1", "schedule__warm_up": 1.0},
        {"arm": "input-gradient-l1", "objective__input_gradient_l1": 0.0},
    ],
    ids=str,
)
def test_without_an_attack_every_arm_is_standard_bit_for_bit(changes, make_config, tmp_path):
    """Else the comparison of arms would compare more than the arms. T16: so is every warm-up."""
    plain = trained(make_config(output=tmp_path / "plain"))
    other = trained(make_config(output=tmp_path / "other", **changes))
    assert all(torch.equal(plain[name], other[name]) for name in plain)


def test_with_an_attack_scaat_is_not_standard(make_config, tmp_path):
    plain = trained(make_config(output=tmp_path / "plain"))
    other = trained(make_config(output=tmp_path / "other", arm="scaat"))
    assert not all(torch.equal(plain[name], other[name]) for name in plain)


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_gives_a_loss_that_reaches_the_weights(arm, situation):
    now = situation(arm=arm)
    for outcome in ARMS[arm](now):
        assert outcome.loss.shape == (5,)
        assert outcome.loss.isfinite().all()
        now.network.zero_grad()
        outcome.loss.mean().backward()
        assert all(weights.grad.isfinite().all() for weights in now.network.parameters())


@pytest.mark.parametrize(
    ("arm", "changes", "expected"),
    [
        ("standard", {}, Passes(1, 0, 1)),
        ("scaat", {}, Passes(1 + 3 + 2, 1 + 3, 2)),
        ("scaat", {"budget__kind": "random"}, Passes(1 + 3 + 2, 3, 2)),
        ("scaat", {"saliency__method": "smooth_gradient"}, Passes(8 + 1 + 3 + 2, 8 + 3, 2)),
        ("scaat", {"attack__refresh": 1}, Passes(1 + 3 + 2 + 2, 1 + 3 + 2, 2)),
        ("uniform-at", {}, Passes(1 + 3 + 2, 3, 2)),
        ("noise", {}, Passes(1 + 2, 1, 2)),
        ("sgt", {}, Passes(1 + 2, 1, 2)),
        ("consistency-weighted", {}, Passes(1 + 3 + 2 + 1, 1 + 3 + 2, 1)),
        ("consistency-weighted", {"attack__refresh": 1}, Passes(1 + 3 + 2 + 1, 1 + 3 + 2, 1)),
    ],
)
def test_passes_are_counted_as_they_happen(arm, changes, expected, situation):
    """The oracle counts calls of the network; backward passes are those of the recipe."""
    now = situation(arm=arm, attack__steps=3, **changes)
    calls = []
    handle = now.network.register_forward_hook(lambda *_: calls.append(1))
    [outcome] = ARMS[arm](now)
    handle.remove()
    assert outcome.passes == expected
    assert len(calls) == expected.forward


def test_free_training_takes_its_replays_and_moves_its_noise(situation):
    now = situation(arm="free-l2", attack__replays=3, attack__radius=0.5)
    seen = []
    handle = now.network.register_forward_pre_hook(
        lambda _m, inputs: seen.append(inputs[0].detach() - now.images)
    )
    for outcome in ARMS["free-l2"](now):
        outcome.loss.mean().backward()
    handle.remove()
    assert len(seen) == 3
    assert not torch.equal(seen[0], seen[1])
    assert all((noise.flatten(1).norm(dim=1) <= 0.5 + 1e-6).all() for noise in seen)


def test_the_uniform_arm_is_scaat_with_a_uniform_budget(situation):
    [one] = ARMS["uniform-at"](situation(arm="uniform-at", budget__mean_epsilon=0.02))
    [two] = ARMS["scaat"](situation(arm="scaat", budget__kind="uniform", budget__mean_epsilon=0.02))
    assert one.measures["budget_mean"].item() == pytest.approx(0.02)
    assert two.measures["budget_mean"].item() == pytest.approx(0.02)


def test_the_published_ranking_masks_other_pixels(network, images, labels, generator):
    """T3: signed ranking removes the most negative gradients, magnitude ranking the smallest ones."""
    with evaluating(network):
        gradient, _ = input_gradient(network, images, labels, "log_probability")
    signed = lowest(gradient.mean(1), 0.25, generator)
    magnitude = lowest(gradient.abs().amax(1), 0.25, generator)
    strength = gradient.mean(1).abs()
    assert (signed * magnitude).sum() < 0.6 * magnitude.sum()
    assert (strength * signed).sum() > 3 * (strength * magnitude).sum()


@pytest.mark.parametrize("arm", ["sgt", "sgt-signed", "free-l2", "input-gradient-l1"])
def test_arms_without_epsilon_are_not_standard_at_epsilon_0(arm, make_config, tmp_path):
    """As docs/training.md says: who compares at epsilon 0 must turn off what these have instead."""
    plain = trained(make_config(output=tmp_path / "plain"))
    other = trained(make_config(output=tmp_path / "other", arm=arm, attack__epsilon=0.0))
    assert not all(torch.equal(plain[name], other[name]) for name in plain)


def test_the_guard_weakens_guided_training_too(situation):
    """It has no epsilon: half of half of 64 pixels are replaced. Else each epoch would be undone as the one before."""
    now = replace(situation(arm="sgt", objective__sgt_fraction=0.5), weakened=0.5)
    seen = []
    handle = now.network.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0].detach()))
    list(ARMS["sgt"](now))
    handle.remove()
    assert ((seen[-1] != now.images).any(1).sum((1, 2)) == 16).all()


def test_guided_training_fills_within_the_range_of_each_image(situation):
    now = situation(arm="sgt", objective__sgt_fraction=0.5)
    seen = []
    handle = now.network.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0].detach()))
    list(ARMS["sgt"](now))
    handle.remove()
    masked = seen[-1]
    changed = (masked != now.images).any(1)
    assert (changed.sum((1, 2)) == 32).all()
    assert (masked.amax((2, 3)) <= now.images.amax((2, 3))).all()
    assert (masked.amin((2, 3)) >= now.images.amin((2, 3))).all()


def test_the_input_gradient_penalty_has_its_closed_form(make_config, images, labels):
    """Two classes, linear: dCE/dx = (p - onehot) W, so |.|_1 = (1 - p_y) |w_1 - w_0|_1."""
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    zeros = torch.zeros_like(labels)
    config = make_config(arm="input-gradient-l1")
    now = Situation(linear, linear, images, zeros, config, Intensity(1, 1), torch.Generator())
    [outcome] = ARMS["input-gradient-l1"](now)
    missing = 1 - linear(images).softmax(1)[:, 0]
    expected = (missing * (linear[1].weight[1] - linear[1].weight[0]).abs().sum()).mean()
    torch.testing.assert_close(outcome.measures["input_gradient_l1"], expected.detach())


@pytest.mark.parametrize(("policy", "updates"), [("separate", 2), ("joint", 1), ("clean", 1)])
def test_each_policy_moves_batch_statistics_as_often_as_it_says(policy, updates, situation, images):
    """T7. The clean policy leaves exactly the statistics of one clean forward pass."""
    now = situation(arm="scaat", objective__batch_norm=policy)
    norm = now.network[1]
    before = norm.running_mean.clone()
    list(ARMS["scaat"](now))
    after = norm.running_mean.clone()
    assert not torch.equal(before, after)
    if policy == "joint":
        assert norm.num_batches_tracked == updates
    if policy == "clean":
        batch = now.network[0](images).detach().mean((0, 2, 3))
        torch.testing.assert_close(after, 0.9 * before + 0.1 * batch)


def test_an_image_that_is_not_learnt_is_spared(situation):
    """Budgets shrink with the probability of the label over c0; an untrained network gives about 1/3."""
    [full] = ARMS["scaat"](situation(arm="scaat"))
    [spared] = ARMS["scaat"](situation(arm="scaat", schedule__confidence=1.0))
    ratio = float(spared.measures["budget_mean"] / full.measures["budget_mean"])
    assert 0.1 < ratio < 0.6


def test_seeds_of_purposes_differ():
    purposes = [("attack", 0, 1), ("attack", 1, 0), ("augment", 0, 1), ("order", 0), ("order", 1)]
    assert len({seed_of(seed, *purpose) for seed in (0, 1) for purpose in purposes}) == 10
