import numpy as np

from service.faithfulness.curve import partly_removed, removal_counts
from service.faithfulness.grid import Grid
from service.faithfulness.order import most_relevant_first, normal_scores, share_of_ties

RNG = np.random.default_rng(2)


def test_ties_are_broken_by_the_seed_not_by_position():
    """By position a constant map would delete the picture from the top, where there is often only sky."""
    first = most_relevant_first(np.zeros(196), np.random.default_rng(0))
    again = most_relevant_first(np.zeros(196), np.random.default_rng(0))
    other = most_relevant_first(np.zeros(196), np.random.default_rng(1))
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first, np.arange(196))[0, 1]) < 0.3
    assert (first != other).any()


def test_ties_leave_the_rest_of_the_order_alone():
    order = most_relevant_first(np.array([0.0, 5.0, 0.0, -1.0, 7.0]), RNG)
    assert order[:2].tolist() == [4, 1]
    assert set(order[2:4].tolist()) == {0, 2}
    assert order[4] == 3


def test_ranks_do_not_change_with_the_scale():
    scores = RNG.standard_normal(50)
    np.testing.assert_array_equal(normal_scores(scores), normal_scores(1e-6 * scores + 3))
    np.testing.assert_allclose(normal_scores(-scores), -normal_scores(scores), rtol=0, atol=1e-14)


def test_all_ties():
    assert share_of_ties(np.ones(4)) == 1
    assert share_of_ties(np.arange(4.0)) == 0
    np.testing.assert_allclose(normal_scores(np.ones(4)), 0, rtol=0, atol=1e-15)


def test_every_cell_belongs_to_the_grid_and_sides_differ_by_one_pixel_at_most():
    for height, width in [(224, 224), (299, 299), (15, 100), (14, 3)]:
        grid = Grid.over(height, width, rows=14, columns=14)
        sizes = np.bincount(grid.segments.ravel())
        assert len(sizes) == grid.size
        rows = np.diff(np.flatnonzero(np.diff(grid.segments[:, 0], prepend=-1, append=-1)))
        assert np.ptp(rows) <= 1
        assert sizes.sum() == height * width


def test_removal_grows_and_both_ends_meet():
    order = RNG.permutation(20)
    from_top, from_bottom = partly_removed(order, 4), partly_removed(order[::-1], 4)
    assert from_top.sum(axis=1).tolist() == removal_counts(20, 4)[1:-1].tolist()
    assert (from_top[:-1] <= from_top[1:]).all()
    np.testing.assert_array_equal(from_top, ~from_bottom[::-1])
