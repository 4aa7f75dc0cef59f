"""Correlations against SciPy's."""

import numpy as np
import pytest
from scipy import stats

from service.faithfulness.measures.correlation import pearson, ranks, spearman

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("levels", [3, 1_000_000])
def test_correlations_are_scipys_with_and_without_ties(levels: int):
    left, right = RNG.integers(0, levels, (2, 200)).astype(float)
    assert pearson(left, right) == pytest.approx(stats.pearsonr(left, right).statistic, abs=1e-13)
    assert spearman(left, right) == pytest.approx(stats.spearmanr(left, right).statistic, abs=1e-13)
    np.testing.assert_array_equal(ranks(left), stats.rankdata(left))


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_squares_neither_overflow_nor_vanish(scale: float):
    values = np.array([1.0, 2.0, 4.0])
    assert pearson(scale * values, -values) == pytest.approx(-1)


def test_what_is_the_same_everywhere_correlates_with_nothing():
    assert pearson(np.ones(4), np.arange(4.0)) is None
    assert spearman(np.arange(4.0), np.zeros(4)) is None
