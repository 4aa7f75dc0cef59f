"""How answers are compared."""

import numpy as np
import pytest

from benchmarks.agreement import agreement, road_combined
from benchmarks.peers.case import metric


def test_a_map_cut_off_at_zero_and_rescaled_still_agrees() -> None:
    """Others' Grad-CAM drops negative evidence and divides by the largest value."""
    ours = np.array([[-1.0, 0.0], [2.0, 4.0]])

    assert agreement("grad_cam", np.maximum(ours, 0) / 4, ours) == {
        "correlation": 1.0,
        "largest_difference": 0.0,
    }


def test_curves_are_compared_by_their_areas_whoever_integrates() -> None:
    """Libraries answer with curves or with areas. The area under 1, 0.5, 0 is a half."""
    ours = np.array([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]])

    assert agreement("deletion_insertion", np.array([0.5, 0.75]), ours) == {"area_difference": 0.25}


def test_of_random_work_only_the_correlation_is_compared() -> None:
    """Other masks give another map; a largest difference would say nothing."""
    assert set(agreement("rise", np.eye(3), np.eye(3))) == {"correlation"}


def test_metrics_are_compared_in_what_both_of_them_say() -> None:
    """One that says nothing of the other's numbers agrees and disagrees with nobody; forward passes are no result."""
    ours = metric(996, deletion=0.25, insertion=0.75)

    assert agreement("receipt", metric(84, deletion=0.5), ours) == {"largest_difference": 0.25}
    assert agreement("receipt", metric(197, cells=np.zeros(10)), ours) == {}


def test_road_combined_is_half_the_mean_gap_between_the_two_orders() -> None:
    """LeRF minus MoRF at 20 %, 40 %, 60 %, 80 %: 0.8, 0.6, 0.4, 0.2; half their mean is 0.25."""
    morf = [1.0, 0.1, 0.2, 0.3, 0.4, 0.0]
    lerf = [1.0, 0.9, 0.8, 0.7, 0.6, 0.0]

    assert road_combined(np.array([morf, lerf[::-1]])) == pytest.approx(0.25)
