"""Random maps as smooth as the judged one."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage, stats

from service.explain.subject import Subject
from service.faithfulness.grid import Grid
from service.faithfulness.measures.luck import MAPS, Luck, as_smooth, luck_forwards, luck_plan
from service.faithfulness.order import normal_scores
from service.faithfulness.protocol import FAST
from service.faithfulness.receipt import Receipt, receipt_plan
from service.runtime.calibration import Pace
from service.runtime.drive import drive
from service.runtime.plan import Direction
from tests.tiny import linear_model, load_tiny

SIDE = 14
GRID = Grid(SIDE, SIDE, rows=SIDE, columns=SIDE)


def smooth(random: np.random.Generator, deviation: float = 2.5) -> NDArray[np.float32]:
    """``[14, 14]``: white noise under a Gaussian, on a larger field, so that nothing is continued periodically."""
    field = ndimage.gaussian_filter(random.standard_normal((3 * SIDE, 3 * SIDE)), deviation)
    return field[SIDE : 2 * SIDE, SIDE : 2 * SIDE].astype(np.float32)


def judged(subject: Subject, saliency: NDArray[np.float32]) -> tuple[Receipt, Luck]:
    receipt = drive(receipt_plan(subject, saliency, protocol=FAST), subject.model)
    counted = [panel for panel in receipt.panels if panel.operator.name in receipt.counted]
    plan = luck_plan(subject, GRID.cell_sums(saliency), GRID, counted, steps=FAST.steps)
    return receipt, drive(plan, subject.model)


@pytest.fixture(scope="module")
def blob(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """A linear model whose evidence is one soft blob, as an object is."""
    row, column = np.mgrid[:SIDE, :SIDE]
    hill = np.exp(-((row - 5) ** 2 + (column - 8) ** 2) / 18)
    weight = np.stack([np.zeros((3, SIDE, SIDE)), 0.1 * np.stack([hill] * 3)]).astype(np.float32)
    model = load_tiny(linear_model(weight, np.array([0, -2], np.float32)), tmp_path_factory.mktemp("blob"))
    model._paces = {Direction.FORWARD: Pace(micro_batch=64, pass_seconds=1e-4)}
    pixels = np.random.default_rng(2).uniform(0.4, 0.6, (3, SIDE, SIDE)).astype(np.float32)
    return Subject.of(model, pixels, target=1, seed=3)


@pytest.mark.parametrize(("rows", "columns"), [(14, 14), (5, 8), (1, 7)])
def test_a_random_map_has_the_spectrum_of_the_given_one_and_no_more(rows: int, columns: int) -> None:
    """The spectrum is the transform of the autocorrelation; the order is another one every time."""
    random = np.random.default_rng(1)
    grid = Grid(rows, columns, rows=rows, columns=columns)
    scores = random.standard_normal((rows, columns)).cumsum(1).ravel()

    first, second = (as_smooth(scores, grid, random) for _ in range(2))

    expected = np.abs(np.fft.fft2(normal_scores(scores).reshape(rows, columns)))
    for drawn in (first, second):
        assert np.abs(np.fft.fft2(drawn.reshape(rows, columns))) == pytest.approx(expected, abs=1e-9)
    assert first.argsort().tolist() != second.argsort().tolist()


def test_luck_of_smooth_maps_is_as_likely_as_it_says(blob: Subject) -> None:
    """Against random orders, of maps that know nothing one in ten is far above chance, not one in 200.

    Kolmogorov-Smirnov against uniform p-values, rejected at one in 1,000.
    """
    random = np.random.default_rng(5)
    from_orders, from_maps = [], []
    for number in range(100):
        subject = Subject.of(blob.model, blob.pixels, target=1, seed=number)
        receipt, luck = judged(subject, smooth(random))
        assert receipt.summary is not None
        from_orders.append(receipt.summary.map.p_value)
        from_maps.append(luck.p_value)

    assert np.mean(np.array(from_orders) <= FAST.thresholds.faithful) > 0.1
    assert stats.kstest(from_maps, "uniform").pvalue > 0.001
    assert np.mean(np.array(from_maps) <= 0.05) <= 0.12  # three standard deviations above 0.05


def test_even_the_evidence_itself_is_one_guess_in_a_dozen(blob: Subject) -> None:
    """No order does better, and yet one soft blob in the right place is no rare event among soft blobs."""
    weight = np.exp(-(((np.mgrid[:SIDE, :SIDE] - np.array([5, 8])[:, None, None]) ** 2).sum(0)) / 18)
    receipt, luck = judged(blob, weight.astype(np.float32))

    assert receipt.summary is not None
    assert luck.log_odds_srg_mean == receipt.summary.map.log_odds_srg
    assert luck.z_score == pytest.approx(luck.log_odds_srg_mean / luck.random_deviation)
    assert receipt.summary.map.p_value < 0.005 < luck.p_value < 1 / 12
    assert luck.forwards == luck_forwards(len(receipt.counted), FAST.steps) == len(receipt.counted) * MAPS * 6


def test_what_ranks_like_noise_is_as_lucky_as_a_random_order(subject: Subject) -> None:
    """White noise has the flat spectrum of a random order, so that both chances stray alike."""
    random = np.random.default_rng(8)
    ratios = []
    for number in range(30):
        moved = Subject.of(subject.model, subject.pixels, target=1, seed=number)
        receipt, luck = judged(moved, random.standard_normal((SIDE, SIDE)).astype(np.float32))
        assert receipt.summary is not None
        ratios.append(luck.random_deviation / receipt.summary.deviation)

    # A deviation of 6 degrees of freedom is off by 29 %, one of 20 by 16 %; the mean of 30 ratios by 6 %.
    assert np.mean(ratios) == pytest.approx(1, abs=0.25)
