import pytest

from training.config import OptimiserConfig, ScheduleConfig
from training.schedule import intensity_at, learning_rate_at


def test_nothing_is_attacked_before_the_warm_up_ends():
    """T16: the saliency of an untrained network is noise."""
    options = ScheduleConfig(warm_up=0.2, ramp=0.2)
    assert intensity_at(0.19, options).epsilon == 0
    assert intensity_at(0.3, options).epsilon == pytest.approx(0.5)
    assert intensity_at(0.9, options).epsilon == 1


def test_without_warm_up_and_ramp_the_attack_is_there_at_once():
    assert intensity_at(0.0, ScheduleConfig(warm_up=0, ramp=0)).epsilon == 1


def test_the_learning_rate_rises_and_falls():
    options = OptimiserConfig(learning_rate=0.4, warm_up=0.25)
    assert learning_rate_at(0.125, options) == pytest.approx(0.2)
    assert learning_rate_at(0.25, options) == pytest.approx(0.4)
    assert learning_rate_at(0.625, options) == pytest.approx(0.2)
    assert learning_rate_at(1.0, options) == pytest.approx(0.0)
