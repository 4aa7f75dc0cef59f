"""Rank correlation against SciPy, SSIM against scikit-image."""

import numpy as np
import pytest
import scipy.stats
import skimage.metrics

from service.certificate.complexity import BINS, histogram_entropy, relative_rise
from service.certificate.similarity import rank_correlation, structural_similarity


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_rank_correlation_is_scipys(decimals: int) -> None:
    """With few decimals most values are tied."""
    random = np.random.default_rng(decimals)
    first, second = random.standard_normal((2, 20, 30)).round(decimals).astype(np.float32)
    second += first

    expected = scipy.stats.spearmanr(first.ravel(), second.ravel()).statistic
    assert rank_correlation(first, second) == pytest.approx(expected, abs=1e-12)


def test_a_map_that_ranks_nothing_is_correlated_with_nothing() -> None:
    some = np.arange(6, dtype=np.float32).reshape(2, 3)

    assert rank_correlation(some, np.zeros_like(some)) == 0


def test_structural_similarity_is_scikit_images() -> None:
    random = np.random.default_rng(4)
    first, second = random.standard_normal((2, 40, 33)).astype(np.float32)
    x, y = (np.abs(one.astype(np.float64)) / np.abs(one).max() for one in (first, second))

    expected = skimage.metrics.structural_similarity(
        x, y, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert structural_similarity(first, second) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (5, 30), (8, 8)])
def test_small_and_empty_maps_are_equal_to_themselves(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(5)
    for values in (random.random(shape).astype(np.float32), np.zeros(shape, np.float32)):
        assert structural_similarity(values, values) == pytest.approx(1, abs=1e-12)


def test_entropy_is_scipys_of_numpys_histogram() -> None:
    """Which is what the authors' own code computes, with 100 bins, sign kept and nothing normalised."""
    values = np.random.default_rng(6).standard_normal((30, 30)).astype(np.float32)

    expected = scipy.stats.entropy(np.histogram(values.astype(np.float64), bins=100)[0])
    assert BINS == 100
    assert histogram_entropy(values) == pytest.approx(expected, abs=1e-12)


def test_the_rise_is_relative_and_undefined_without_entropy() -> None:
    two = np.tile([0.0, 1.0], (4, 4)).astype(np.float32)
    even = np.linspace(0, 1, 32, dtype=np.float32).reshape(4, 8)

    assert relative_rise(two, even) == pytest.approx(np.log(32) / np.log(2) - 1)
    assert relative_rise(np.ones((4, 4), np.float32), two) is None
