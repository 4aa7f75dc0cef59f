import numpy as np
import pytest
import torch

from training.sparseness import entropy_share, gini


def test_gini_is_half_the_relative_mean_difference():
    """Its definition: the mean of |x_i - x_j| over all pairs, over twice the mean."""
    values = np.random.default_rng(0).exponential(size=30)
    expected = np.abs(values[:, None] - values[None, :]).mean() / (2 * values.mean())
    found = gini(torch.from_numpy(-values).view(1, 5, 6))
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_entropy_is_numpys():
    values = np.random.default_rng(1).exponential(size=30)
    shares = values / values.sum()
    expected = -(shares * np.log(shares)).sum() / np.log(30)
    assert entropy_share(torch.from_numpy(values).view(1, 30)).item() == pytest.approx(expected, abs=1e-6)


def test_a_map_of_zeros_is_as_flat_as_can_be():
    assert gini(torch.zeros(1, 4)).item() == 0
    assert entropy_share(torch.zeros(1, 4)).item() == 1
