"""The rule that turns an interval into an outcome."""

import numpy as np
import pytest
import scipy.stats

from service.bundle.certificate import Check, conclude
from service.certificate.checks import explained, judge
from service.certificate.interval import bootstrap, expanded_tail


def outcome(values: list[float], *, threshold: float = 0.5, above_passes: bool) -> str:
    random = np.random.default_rng(0)
    return judge(
        values, random, threshold=threshold, above_passes=above_passes, floor=None, definition="d"
    ).verdict


@pytest.mark.parametrize(
    ("values", "below", "above"),
    [
        ([0.1, 0.2, 0.3] * 2, "pass", "fail"),
        ([0.6, 0.7, 0.8] * 2, "fail", "pass"),
        ([0.1, 0.5, 0.9] * 2, "inconclusive", "inconclusive"),
        ([0.5, 0.5, 0.5] * 2, "fail", "fail"),
        ([], "inconclusive", "inconclusive"),
    ],
)
def test_an_interval_on_one_side_decides(values: list[float], below: str, above: str) -> None:
    """On the threshold is not beyond it: what changes nothing at all must not pass."""
    assert outcome(values, above_passes=False) == below
    assert outcome(values, above_passes=True) == above


def test_five_values_decide_nothing() -> None:
    """The interval of one value is that value: a single composite would otherwise pass a method for good."""
    random = np.random.default_rng(0)
    found = judge(
        [0.1] * 5, random, threshold=0.5, above_passes=False, floor=None, definition="d", note="a note"
    )

    assert found.verdict == "inconclusive"
    assert found.note == "a note; 5 are too few to decide"
    assert outcome([0.1] * 6, above_passes=False) == "pass"


def check(verdict: str) -> Check:
    return Check.model_validate(
        {"verdict": verdict, "value": 0, "threshold": 0, "count": 1, "definition": "d"}
    )


@pytest.mark.parametrize(
    ("outcomes", "finding"),
    [
        (["pass", "pass"], "pass"),
        (["pass", "not applicable"], "pass"),
        (["pass", "inconclusive"], "inconclusive"),
        (["pass", "inconclusive", "fail"], "fail"),
        (["not applicable"], "inconclusive"),
    ],
)
def test_one_failure_fails_and_everything_that_applies_must_pass(outcomes: list[str], finding: str) -> None:
    names = ("mprt", "efficient_mprt", "random_logit")

    assert conclude({name: check(one) for name, one in zip(names, outcomes, strict=False)}) == finding


def test_the_reason_names_every_check() -> None:
    reason = explained(
        {"mprt": check("pass"), "random_logit": check("fail"), "efficient_mprt": check("pass")}
    )

    assert reason == "random_logit failed; mprt, efficient_mprt passed."


def test_the_interval_covers_a_mean_as_often_as_it_says() -> None:
    """600 samples of 8 from a normal distribution; plain percentiles cover it in 88 % of cases only.

    Three standard errors are 2.7 %.
    """
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(600):
        found = bootstrap(random.standard_normal(8).tolist(), random)
        covered += found.low <= 0 <= found.high

    assert abs(covered / 600 - 0.95) < 0.027


@pytest.mark.parametrize("count", [5, 8, 20, 1000])
def test_the_tail_is_expanded_to_students_t(count: int) -> None:
    expected = scipy.stats.norm.cdf(-np.sqrt(count / (count - 1)) * scipy.stats.t.ppf(0.975, count - 1))

    assert expanded_tail(count) == pytest.approx(expected, abs=1e-3 / count)
