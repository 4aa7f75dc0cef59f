"""Receipts of maps whose verdict is known beforehand."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from service.errors import MapError
from service.explain.subject import Subject
from service.faithfulness.controls import CONTROLS
from service.faithfulness.measures.add import add_measures
from service.faithfulness.measures.measure import Measure
from service.faithfulness.operators.registry import OPERATORS
from service.faithfulness.protocol import FAST, FULL, Protocol
from service.faithfulness.receipt import Receipt, receipt_plan
from service.faithfulness.report import report
from service.faithfulness.verdict import Verdict
from service.runtime.drive import drive
from service.runtime.limits import within
from service.runtime.model import LoadedModel
from service.runtime.plan import Answer, DeadlineReached, MicroBatch, Plan
from tests.tiny import linear_model, load_tiny

SIDE = 14
RNG = np.random.default_rng(31)


def receipt(
    subject: Subject, saliency: NDArray[np.float32], protocol: Protocol = FAST, **options: object
) -> Receipt:
    return drive(receipt_plan(subject, saliency, protocol=protocol, **options), subject.model)  # type: ignore[arg-type]


@pytest.fixture
def perfect(evidence: NDArray[np.float32], bright: NDArray[np.float32]) -> NDArray[np.float32]:
    """What blackening each pixel takes from the logit."""
    return (evidence * bright).sum(axis=0)


@pytest.mark.parametrize("protocol", [FAST, FULL], ids=lambda protocol: protocol.name)
def test_the_perfect_map_is_faithful_and_its_reverse_worse_than_chance(
    subject: Subject, perfect: NDArray[np.float32], protocol: Protocol
):
    assert receipt(subject, perfect, protocol).verdict is Verdict.FAITHFUL
    upside_down = receipt(subject, -perfect, protocol)
    assert upside_down.verdict is Verdict.MIXED
    assert upside_down.judgement.reason.startswith("Worse than chance")


@pytest.mark.parametrize("protocol", [FAST, FULL], ids=lambda protocol: protocol.name)
def test_the_cost_is_known_beforehand(subject: Subject, perfect: NDArray[np.float32], protocol: Protocol):
    passes = []
    plan = receipt_plan(subject, perfect, protocol=protocol)
    batch = next(plan)
    try:
        while True:
            passes.append(batch.size)
            batch = plan.send(subject.model.run(batch))
    except StopIteration as end:
        spent = end.value.forwards
    assert sum(passes) == spent == protocol.forwards
    assert FAST.forwards <= 64


def test_of_a_thousand_random_maps_at_most_ten_are_called_faithful(
    linear: LoadedModel, bright: NDArray[np.float32]
):
    """And under one operator z follows Student's t: Kolmogorov-Smirnov, rejected at one in 1,000.

    The mean over operators is tested against a bound of chance's deviation, so that fewer than 5 % come below
    p = 5 %.
    """
    subject = Subject.of(linear, bright, target=1)
    receipts = [
        receipt(replace(subject, seed=seed), RNG.standard_normal((SIDE, SIDE)).astype(np.float32))
        for seed in range(1_000)
    ]
    verdicts = [one.verdict for one in receipts]
    assert verdicts.count(Verdict.FAITHFUL) <= 10
    assert verdicts.count(Verdict.RANDOM) >= 930
    z_scores = [panel.chance.z_score(panel.map.log_odds_srg) for one in receipts for panel in one.panels[1:]]
    assert stats.kstest(z_scores, stats.t(FAST.random_orders).cdf).pvalue > 1e-3
    pooled = np.array([one.summary.map.p_value for one in receipts if one.summary is not None])
    assert len(pooled) == 1_000
    assert np.mean(pooled <= 0.05) <= 0.07


@pytest.mark.parametrize("name", CONTROLS)
@pytest.mark.parametrize("sharpen", [1, 3])
def test_a_trivial_map_is_never_faithful(
    subject: Subject, bright: NDArray[np.float32], name: str, sharpen: int
):
    """Not even on an image where it tells where the evidence is, and however it is rescaled."""
    trivial = CONTROLS[name](bright) ** sharpen
    assert receipt(subject, trivial).verdict is not Verdict.FAITHFUL


def test_a_trivial_map_that_beats_chance_is_mixed_for_knowing_nothing_more(
    linear: LoadedModel, evidence: NDArray[np.float32]
):
    """The image is far from its mean colour exactly where the evidence is, so contrast ranks the cells rightly."""
    strength = np.abs(evidence.sum(axis=0))
    pixels = np.clip(0.5 + 4 * np.sign(evidence) * strength, 0, 1).astype(np.float32)
    subject = Subject.of(linear, pixels, target=1)
    found = receipt(subject, CONTROLS["contrast"](pixels), FULL)
    assert found.summary is not None
    assert found.summary.map.p_value < FULL.thresholds.faithful
    assert found.verdict is Verdict.MIXED
    assert "edges, centre and contrast" in found.judgement.reason


@pytest.mark.parametrize("value", [0.0, 1.0, -3e30])
def test_a_constant_map_cannot_be_scored_and_costs_nothing(subject: Subject, value: float):
    found = receipt(subject, np.full((7, 9), value, np.float32))
    assert (found.verdict, found.forwards) == (Verdict.UNSCORABLE, 0)
    assert "same everywhere" in found.judgement.reason
    json.dumps(report(found), allow_nan=False)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_map_that_is_not_finite_is_refused(subject: Subject, broken: float):
    saliency = RNG.standard_normal((5, 5)).astype(np.float32)
    saliency[2, 3] = broken
    with pytest.raises(MapError, match="1 of 25 values"):
        receipt(subject, saliency)


@pytest.mark.parametrize("shape", [(3, 14, 14), (14,), (0, 4), (1, 5000)])
def test_a_map_of_another_shape_is_refused(subject: Subject, shape: tuple[int, ...]):
    """Channels are summed by whoever made them: only they know whether signs may cancel."""
    with pytest.raises(MapError):
        receipt(subject, np.ones(shape, np.float32))


def test_one_hot_pixel_is_scored_with_a_warning_that_the_rest_ties(
    subject: Subject, perfect: NDArray[np.float32]
):
    saliency = np.zeros((SIDE, SIDE), np.float32)
    saliency.flat[np.argmax(perfect)] = 1
    found = receipt(subject, saliency)
    assert found.verdict in {Verdict.RANDOM, Verdict.MIXED}
    assert any("99% of the cells tie" in warning for warning in found.warnings)


def test_a_plateau_of_the_right_cells_is_scored(subject: Subject, perfect: NDArray[np.float32]):
    """A mask of the better half is right about which half, and silent about the order within."""
    found = receipt(subject, (perfect > np.median(perfect)).astype(np.float32), FULL)
    assert found.verdict in {Verdict.FAITHFUL, Verdict.MIXED}
    assert any("100% of the cells tie" in warning for warning in found.warnings)


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 7.0, 1e30])
def test_the_scale_of_a_map_does_not_matter(subject: Subject, perfect: NDArray[np.float32], scale: float):
    """Only order counts, and rounding must not change it: a power of two would be exact, these are not."""
    spread = perfect + 0.01 * np.argsort(np.argsort(perfect.ravel())).reshape(perfect.shape)
    expected = report(receipt(subject, spread))
    assert (
        report(receipt(subject, (spread * np.float32(scale)).astype(np.float32)))["operators"]
        == expected["operators"]
    )


def test_a_finer_map_near_the_end_of_float32_is_averaged(subject: Subject, perfect: NDArray[np.float32]):
    """The sum of four such values is no float32."""
    plateau = (perfect > np.median(perfect)).astype(np.float32)
    fine = plateau.repeat(2, axis=0).repeat(2, axis=1)
    assert (
        report(receipt(subject, np.float32(3e38) * fine))["operators"]
        == report(receipt(subject, fine))["operators"]
    )


def test_the_same_request_gives_the_same_receipt(subject: Subject, perfect: NDArray[np.float32]):
    first, again = (json.dumps(report(receipt(subject, perfect))) for _ in range(2))
    other = json.dumps(report(receipt(replace(subject, seed=99), perfect)))
    assert first == again
    assert first != other


def test_nothing_at_stake_cannot_be_scored(linear: LoadedModel, bright: NDArray[np.float32]):
    """Of the other class the probability rises when everything is removed."""
    found = receipt(
        Subject.of(linear, bright, target=0), RNG.standard_normal((SIDE, SIDE)).astype(np.float32)
    )
    assert found.verdict is Verdict.UNSCORABLE
    assert "nothing that a map could explain" in found.judgement.reason
    assert found.summary is None
    assert len(found.warnings) >= len(FAST.operators)
    json.dumps(report(found), allow_nan=False)


def test_a_model_that_ignores_the_image_cannot_be_scored(bright: NDArray[np.float32], tmp_path: Path):
    deaf = load_tiny(
        linear_model(np.zeros((3, 3, SIDE, SIDE), np.float32), np.arange(3, dtype=np.float32)), tmp_path
    )
    found = receipt(Subject.of(deaf, bright, target=2), RNG.standard_normal((SIDE, SIDE)).astype(np.float32))
    assert found.verdict is Verdict.UNSCORABLE


def test_a_contrast_and_a_multi_label_model_are_scored_by_sigmoids(
    evidence: NDArray[np.float32], bright: NDArray[np.float32], perfect: NDArray[np.float32], tmp_path: Path
):
    """For two classes of which one has no weights, all three readings are the same sigmoid."""
    weight = np.stack([np.zeros_like(evidence), evidence])
    model = load_tiny(linear_model(weight, np.zeros(2, np.float32)), tmp_path, task="multi_label")
    readings = [Subject.of(model, bright, target=1), Subject.of(model, bright, target=1, contrast=0)]
    for subject in readings:
        found = receipt(subject, perfect)
        assert found.verdict is Verdict.FAITHFUL
        logit = float((evidence * bright).sum())
        assert found.panels[0].clear_probability == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-6)


def test_an_even_contrast_of_the_emptied_image_is_neutral(tmp_path: Path, bright: NDArray[np.float32]):
    """Of ten classes none is seen in black, and one half is then nothing for a contrast, though five even shares."""
    weight = np.zeros((10, 3, SIDE, SIDE), np.float32)
    weight[1], weight[2] = 0.02, -0.02
    model = load_tiny(linear_model(weight, np.zeros(10, np.float32)), tmp_path)
    found = receipt(
        Subject.of(model, bright, target=1, contrast=2), RNG.standard_normal((SIDE, SIDE)).astype(np.float32)
    )
    [black] = [panel for panel in found.panels if panel.operator.name == "black"]
    assert black.audit.target_probability == pytest.approx(0.5)
    assert black.audit.neutral
    assert not any(warning.startswith("black is not neutral") for warning in found.warnings)


def test_an_operator_that_made_the_map_does_not_judge_it(subject: Subject, perfect: NDArray[np.float32]):
    found = receipt(subject, perfect, FULL, made_with=["black"])
    assert "black" not in found.counted
    assert len(found.counted) == len(FULL.operators) - 1
    assert "black is circular: the map was made with it" in found.warnings


def test_spares_take_the_place_of_circular_operators_at_the_same_cost(
    subject: Subject, perfect: NDArray[np.float32]
):
    """So that a map made with black is judged by two operators in a fast receipt, and can be called faithful."""
    found = receipt(subject, perfect, made_with=["black"])
    assert found.protocol.operators == ("noise", "gaussian_blur")
    assert found.counted == {"noise", "gaussian_blur"}
    assert found.verdict is Verdict.FAITHFUL
    assert found.forwards == FAST.forwards
    assert not any("circular" in warning for warning in found.warnings)


def test_circular_operators_count_if_there_are_no_others(subject: Subject, perfect: NDArray[np.float32]):
    found = receipt(subject, perfect, made_with=list(OPERATORS))
    assert found.counted == set(FAST.operators)
    assert sum("circular" in warning for warning in found.warnings) == len(FAST.operators)


def until_the_deadline(plan: object, model: LoadedModel, passes: int) -> Receipt:
    """Answer until *passes* are spent, then signal the deadline; whatever is asked after that gets the signal again."""
    batch: MicroBatch = next(plan)  # type: ignore[call-overload]
    try:
        while True:
            passes -= batch.size
            batch = plan.send(model.run(batch)) if passes >= 0 else plan.throw(DeadlineReached())  # type: ignore[attr-defined]
    except StopIteration as end:
        result: Receipt = end.value
        return result


def test_a_deadline_leaves_the_operators_that_were_finished(subject: Subject, perfect: NDArray[np.float32]):
    """One operator cannot agree with itself, so the best that is left is mixed."""
    found = until_the_deadline(
        receipt_plan(subject, perfect, protocol=FAST), subject.model, FAST.forwards - 5
    )  # type: ignore[arg-type]
    assert [panel.operator.name for panel in found.panels] == [FAST.operators[0]]
    assert found.verdict is Verdict.MIXED
    assert "only one operator" in found.judgement.reason
    assert found.warnings[0].startswith("deadline: only 1 of 2 removal operators")
    assert found.forwards < FAST.forwards


class Counting:
    """Runs a model and counts the passes."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self.passes = 0

    def run(self, batch: MicroBatch) -> Answer:
        self.passes += batch.size
        return self._model.run(batch)


def test_an_operator_that_was_broken_off_is_paid_for(subject: Subject, perfect: NDArray[np.float32]):
    """Its passes were run, so that they are the caller's, although nothing of it is in the receipt."""
    runner = Counting(subject.model)
    plan = receipt_plan(subject, perfect, protocol=FAST)  # type: ignore[arg-type]
    found: Receipt = drive(within(plan, forwards=FAST.forwards - 5), runner)  # type: ignore[arg-type]
    assert len(found.panels) == 1
    assert found.forwards == runner.passes > 1 + found.panels[0].forwards


def test_a_measure_that_was_broken_off_is_paid_for(subject: Subject, perfect: NDArray[np.float32]):
    """Four passes of a measure that wants eight, of which nothing is left but the warning."""

    def endless() -> Plan[Measure]:
        for _ in range(2):
            yield MicroBatch(subject.image, 4)
        raise AssertionError("the budget is spent before")

    whole = receipt(subject, perfect)
    runner = Counting(subject.model)
    found: Receipt = drive(within(add_measures(whole, [("luck", endless())]), forwards=4), runner)  # type: ignore[arg-type]
    assert (found.forwards - whole.forwards, runner.passes) == (4, 4)
    assert found.warnings[-1] == "max_forwards: there was nothing left to measure luck"


def test_a_deadline_before_any_operator_is_finished_passes_through(
    subject: Subject, perfect: NDArray[np.float32]
):
    with pytest.raises(DeadlineReached):
        until_the_deadline(receipt_plan(subject, perfect), subject.model, 3)  # type: ignore[arg-type]


def test_the_receipt_travels_as_plain_json(subject: Subject, perfect: NDArray[np.float32]):
    """With everything that the design names, and every convention on which the numbers depend."""
    told = json.loads(json.dumps(report(receipt(subject, perfect, FULL)), allow_nan=False))
    assert {"protocol", "verdict", "reason", "operators", "controls", "summary", "warnings"} <= set(told)
    assert (told["protocol"]["name"], told["protocol"]["version"]) == ("full", FULL.version)
    assert list(told["protocol"]["operators"]) == list(FULL.operators)
    for operator in told["operators"]:
        assert (
            len(operator["morf"])
            == len(operator["lerf"])
            == len(operator["removed_fraction"])
            == FULL.steps + 1
        )
        assert 0 <= operator["auc_morf"] <= 1
        assert operator["srg"] == pytest.approx(operator["auc_lerf"] - operator["auc_morf"], abs=1e-5)
        assert operator["srg"] == pytest.approx(operator["mrg"] + operator["lrg"], abs=1e-5)
    assert set(told["controls"]) == set(CONTROLS)
    assert told["summary"]["srg_mean"] == pytest.approx(
        np.mean([one["srg"] for one in told["operators"]]), abs=1e-5
    )
