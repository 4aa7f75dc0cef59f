import torch
from torch import nn

from training.monitors import answer_measures, observe


def test_watching_changes_nothing(network, images, labels, make_config):
    """T15's guards run each epoch; they must not move statistics, gradients or modes."""
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    observe(network, images, labels, make_config(), None)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert network.training


def test_the_same_network_has_no_churn(network, images, labels, make_config):
    """Masks of continuous gradients without ties agree wholly with themselves."""
    first = observe(network, images, labels, make_config(), None)
    again = observe(network, images, labels, make_config(), first.mask)
    assert "mask_overlap" not in first.measures
    assert again.measures["mask_overlap"] == 1.0


def test_a_network_that_collapsed_to_a_constant_shows(images, labels, make_config):
    """T15: sparse maps may come from dead gradients; then the gradient norm says so."""

    class Constant(nn.Module):
        def forward(self, points: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[1.0, 0.0, 0.0]]).expand(len(points), 3) + 0 * points.sum()

    seen = observe(Constant(), images, labels, make_config(), None).measures
    assert seen["gradient_norm"] == 0
    assert abs(seen["accuracy"] - 2 / 5) < 1e-6


def test_calibration_of_a_known_case():
    """Four answers at confidence 0.9, two right: the gap is 0.4."""
    logit = torch.tensor(9.0).log()
    answers = torch.stack([logit.expand(4), torch.zeros(4)], 1)
    seen = answer_measures(answers, torch.tensor([0, 0, 1, 1]))
    assert abs(seen["calibration_error"] - 0.4) < 1e-6
    assert abs(seen["confidence"] - 0.9) < 1e-6
    assert seen["accuracy"] == 0.5
