import numpy as np
import pytest
from scipy.stats import binomtest, t

from training.report.intervals import T_QUANTILES, Interval, bootstrap, over_seeds, share


def test_the_table_of_quantiles_is_scipys():
    assert pytest.approx([t.ppf(0.975, degrees) for degrees in range(1, 10)], abs=1e-6) == T_QUANTILES


def test_seeds_have_students_interval():
    values = np.array([0.7, 0.75, 0.71])
    low, high = t.interval(0.95, 2, loc=values.mean(), scale=values.std(ddof=1) / np.sqrt(3))
    found = over_seeds(values)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-6)


def test_one_seed_has_no_interval():
    """A report of one seed must not look as if seeds had been compared."""
    assert np.isnan(over_seeds(np.array([0.7])).low)


@pytest.mark.parametrize(("right", "count"), [(0, 10), (7, 10), (770, 1000)])
def test_a_share_has_wilsons_interval(right, count):
    low, high = binomtest(right, count).proportion_ci(0.95, method="wilson")
    found = share(right, count)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


def test_the_bootstrap_agrees_with_the_normal_interval_where_that_holds():
    """400 normal values: half-width 1.96/20 = 0.098; percentile ends of 2000 resamples stray by about 5 %."""
    values = np.random.default_rng(0).normal(size=400)
    found = bootstrap(values)
    half = 1.96 * values.std() / 20
    assert found.high - found.estimate == pytest.approx(half, rel=0.15)
    assert found.estimate - found.low == pytest.approx(half, rel=0.15)


def test_pictures_that_could_not_be_measured_do_not_count():
    assert bootstrap(np.array([1.0, np.nan, 3.0])).count == 2
    assert np.isnan(bootstrap(np.array([np.nan])).estimate)


def test_an_interval_around_zero_shows_nothing():
    assert not Interval(0.1, -0.1, 0.3, 9).excludes_zero
    assert Interval(-0.2, -0.3, -0.1, 9).excludes_zero
    assert not Interval(0.1, np.nan, np.nan, 1).excludes_zero
