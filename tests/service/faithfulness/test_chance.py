"""Chance, simulated."""

import numpy as np
import pytest
from scipy import stats

from service.faithfulness.chance import LEAST_DEVIATION, Chance, pool, student_t_tail
from service.faithfulness.curve import CurvePair

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("degrees_of_freedom", [1, 2, 3, 4, 5, 6, 9, 30, 61])
def test_the_tail_of_student_t_is_scipys(degrees_of_freedom: int):
    points = np.array([-40.0, -3.0, -1e-3, 0.0, 0.5, 2.0, 4.5, 40.0])
    got = [student_t_tail(point, degrees_of_freedom) for point in points]
    # The sum has at most 31 terms of size about 1, subtracted from 1; scipy's own last digits differ as much.
    np.testing.assert_allclose(got, stats.t.sf(points, degrees_of_freedom), rtol=0, atol=1e-13)


def test_reversing_an_order_negates_what_is_tested():
    """So the mean under chance is known to be 0, and need not be estimated."""
    morf, lerf = RNG.random((2, 5))
    forth, back = CurvePair(morf, lerf, cells=8), CurvePair(lerf, morf, cells=8)
    assert forth.srg == -back.srg
    assert forth.log_odds_srg == -back.log_odds_srg


def test_p_values_of_random_maps_are_uniform():
    """With K orders and a known mean there are K degrees of freedom; taken for K - 1 they fail the test.

    Kolmogorov-Smirnov over 12,000 random maps, rejected at one in 1,000.
    """
    orders = 3
    srg = 10 * RNG.standard_normal((12_000, orders + 1))
    p_values = [Chance(row[1:]).p_value(row[0]) for row in srg]
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3
    z_scores = [Chance(row[1:]).z_score(row[0]) for row in srg]
    assert stats.kstest(stats.t.sf(z_scores, orders - 1), "uniform").pvalue < 1e-3


@pytest.mark.parametrize("correlation", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("deviations", [(1.0, 1.0), (1.0, 0.3), (1.0, 0.1), (1.0, 1.0, 0.2, 0.2, 0.05)])
def test_pooling_operators_never_makes_false_verdicts_likelier(
    correlation: float, deviations: tuple[float, ...]
):
    """However alike or unlike the operators are, p <= 0.5 % is as rare as it says.

    Of 4,000 random maps 20 are expected at most; 40 would be more than four deviations above that.
    """
    maps, orders = 4_000, 3
    shared, own = RNG.standard_normal((maps, 1)), RNG.standard_normal((maps, len(deviations)))
    map_gains = 10 * np.array(deviations) * (np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own)
    random_gains = 10 * np.array(deviations)[:, None] * RNG.standard_normal((maps, len(deviations), orders))
    small = 0
    for gains, chance in zip(map_gains, random_gains, strict=True):
        deviation, degrees_of_freedom = pool([Chance(part) for part in chance])
        small += student_t_tail(gains.mean() / deviation, degrees_of_freedom) <= 0.005
    assert small <= 40


def test_pooled_degrees_of_freedom_shrink_to_those_of_a_dominant_operator():
    equal, tiny = Chance(np.array([1e9, -1e9, 1e9])), Chance(np.zeros(3))
    assert pool([equal, equal])[1] == 6
    assert pool([equal, tiny])[1] == 3
    assert pool([equal] * 5)[1] == 15


def test_percentiles_count_each_order_both_ways():
    """The reverse of a random order is as random; three orders are six points of the distribution."""
    chance = Chance(np.array([0.1, -0.2, 0.3]))
    assert chance.percentile(0.25) == pytest.approx(100 * 5 / 6)
    assert chance.percentile(-1.0) == 0
    assert chance.percentile(0.3) == pytest.approx(100 * 5.5 / 6)


def test_a_gain_of_no_account_is_never_many_deviations_large():
    """Where the target is gone at the first step whatever is removed, all random orders gain exactly nothing."""
    chance = Chance(np.zeros(3))
    assert chance.deviation == LEAST_DEVIATION
    assert chance.z_score(0.05) == pytest.approx(0.5)
    assert chance.p_value(0.05) > 0.3
