"""Intervals and concordance against SciPy."""

import numpy as np
import pytest
import scipy.stats
from saliserve_client.dataset.agreement import kendalls_w, mean_ranks
from saliserve_client.dataset.resampling import expanded_tail, intervals, quantile


def test_the_interval_is_scipys() -> None:
    """Both draw at random: ends of 20,000 resamples are known to about 2 % of the standard error."""
    values = np.random.default_rng(0).gamma(2, size=50)
    expected = scipy.stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=20_000,
        confidence_level=1 - 2 * expanded_tail(50),
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval

    [found] = intervals([values.tolist()], seed=2, resamples=20_000)

    slack = 4 * 0.02 * values.std() / np.sqrt(50)
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.low == pytest.approx(expected.low, abs=slack)
    assert found.high == pytest.approx(expected.high, abs=slack)


@pytest.mark.parametrize("count", [5, 10, 20, 1000])
def test_the_tail_is_expanded_to_students_t(count: int) -> None:
    """The series in 1 / n is cut off: by then it is right to a thousandth for five values and better for more."""
    expected = scipy.stats.norm.cdf(-np.sqrt(count / (count - 1)) * scipy.stats.t.ppf(0.975, count - 1))

    assert expanded_tail(count) == pytest.approx(expected, abs=1e-3 / count)


def test_series_are_resampled_together() -> None:
    """A difference that is the same on every image is known exactly, however much both vary."""
    first = np.random.default_rng(3).standard_normal(30)
    second = first - 0.1

    one, other, difference = intervals([first.tolist(), second.tolist(), (first - second).tolist()], seed=0)

    assert one.low - other.low == pytest.approx(0.1)
    assert difference.low == pytest.approx(0.1)
    assert difference.high == pytest.approx(0.1)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = [float(value) for value in range(12)]

    assert intervals([values], seed=1) == intervals([values], seed=1) != intervals([values], seed=2)


@pytest.mark.parametrize("share", [0.0, 0.025, 0.37, 0.5, 0.975, 1.0])
def test_quantiles_are_numpys(share: float) -> None:
    values = np.random.default_rng(4).standard_normal(37)

    assert quantile(values.tolist(), share) == pytest.approx(np.quantile(values, share), rel=1e-12)


@pytest.mark.parametrize("decimals", [1, 9])
def test_concordance_is_the_mean_rank_correlation_of_the_judges(decimals: int) -> None:
    """W = (1 + (m - 1) mean Spearman) / m (Kendall 1970), exact without ties; with ties against Friedman's chi^2."""
    judgements = np.random.default_rng(5).standard_normal((6, 8)).round(decimals)
    chi_squared = scipy.stats.friedmanchisquare(*judgements.T).statistic
    expected = chi_squared / (6 * (8 - 1))

    found = kendalls_w(judgements.tolist())

    assert found == pytest.approx(expected, rel=1e-9)
    if decimals > 1:
        spearman = scipy.stats.spearmanr(judgements.T).statistic[np.triu_indices(6, 1)].mean()
        assert found == pytest.approx((1 + 5 * spearman) / 6, rel=1e-9)


def test_ranks_are_scipys() -> None:
    values = [3.0, 1.0, 3.0, 2.0, 1.0, 3.0]

    assert mean_ranks(values) == scipy.stats.rankdata(values).tolist()


@pytest.mark.parametrize("judgements", [[], [[1.0, 2.0]], [[1.0], [2.0]], [[1.0, 1.0], [2.0, 2.0]]])
def test_where_nobody_ranks_there_is_no_concordance(judgements: list[list[float]]) -> None:
    assert kendalls_w(judgements) is None
