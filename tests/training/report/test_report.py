import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from training.errors import CheckpointError, ConfigurationError
from training.evaluation import EVALUATION
from training.experiment import read_experiment
from training.maps import MAPS
from training.report.comparisons import Difference, difference, reading
from training.report.figures import DOTS_PER_INCH
from training.report.intervals import Interval
from training.report.results import OPERATORS, Measure, collect, measures, paired, values
from training.report.write import write_report

PICTURES = 24


def evaluation(arm: str, *, gini: float, gain: float) -> dict:
    random = np.random.default_rng(len(arm))
    wobble = random.normal(0, 0.01, PICTURES)
    gains = [dict.fromkeys(OPERATORS, gain + w) for w in wobble]
    gains[0] = {}  # nothing was at stake on the first picture
    rows = {
        "gini": (gini + wobble).tolist(),
        "entropy_share": [0.9] * PICTURES,
        "mass_in_boxes": [None] * PICTURES,
        "verdict": ["faithful"] * 5 + ["mixed"] * (PICTURES - 5),
        "gains": gains,
        "z_scores": gains,
    }
    robust = {"epsilon": 2 / 255, "accuracy": 0.4, "kind": "white", "attack": "PGD", "images": 10}
    return {
        "arm": arm,
        "seed": 0,
        "training": {"seconds": 60},
        "cost": {
            "forward_passes_per_step": 1,
            "backward_passes_to_image_per_step": 0,
            "backward_passes_to_weights_per_step": 1,
            "seconds": 60,
        },
        "test": {"images": 40, "accuracy": 0.75, "confidence": 0.7, "calibration_error": 0.02},
        "correct": "1110" * 10,
        "robust": [robust],
        "pictures": [str(number) for number in range(PICTURES)],
        "explainers": {"gradient": rows},
        "box_area": [None] * PICTURES,
        "input_stability": [0.5] * PICTURES,
        "output_stability": [2.0] * PICTURES,
        "randomisation": {"all_layers_randomised": 0.2, "floor": 0.1},
    }


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """Two arms evaluated for one of two seeds; scaat is sparser and its receipts are worse."""
    path = tmp_path / "try.toml"
    path.write_text(
        f'question = "Is it?"\noutput = "{tmp_path}/runs"\nseeds = [0, 1]\n[common]\n'
        "[arms.standard]\n[arms.scaat]\narm = 'scaat'\n[arms.uniform]\narm = 'uniform-at'\n"
    )
    for arm, gini, gain in (("standard", 0.4, 0.3), ("scaat", 0.5, 0.2)):
        folder = tmp_path / "runs" / arm / "seed-0"
        folder.mkdir(parents=True)
        (folder / EVALUATION).write_text(json.dumps(evaluation(arm, gini=gini, gain=gain)))
    return path


def test_the_report_says_what_did_not_run_and_how_to_finish(experiment, tmp_path):
    results = write_report(experiment, tmp_path / "out")
    text = (tmp_path / "out" / "try.md").read_text()
    assert len(results.missing) == 4
    assert "uniform, seed 0" in text
    assert "python -m training experiment" in text


def test_what_speaks_against_us_is_listed_like_everything_else(experiment, tmp_path):
    """The planted result: receipts are worse under all five operators."""
    write_report(experiment, tmp_path / "out")
    text = (tmp_path / "out" / "try.md").read_text()
    assert text.count("against scaat") == len(OPERATORS)
    assert "0 (none)" in text
    assert "not reached" in text


def test_sparse_is_never_called_faithful(experiment, tmp_path):
    """T17: a sparser map reads as larger, not as better; Gini is in no group of receipts."""
    listed = {measure.name: measure for measure in measures(["gradient"])}
    assert listed["Gini of gradient"].better == "neither"
    assert listed["Gini of gradient"].group == "sparseness"
    assert reading(Difference(Interval(0.1, 0.05, 0.15, 50), 1, 1), listed["Gini of gradient"]) == "larger"
    write_report(experiment, tmp_path / "out")
    assert "Sparseness is not faithfulness" in (tmp_path / "out" / "try.md").read_text()


def test_the_method_has_its_honest_name(experiment, tmp_path):
    write_report(experiment, tmp_path / "out")
    assert (
        "SCAAT, reconstructed from the abstract of arXiv 2311.05143"
        in (tmp_path / "out" / "try.md").read_text()
    )


def test_differences_are_taken_picture_by_picture(experiment):
    results = collect(read_experiment(experiment))
    measure = Measure("", "", "", ("explainers", "gradient", "gains", "road"))
    own = [values(results.evaluations[arm, 0], measure) for arm in ("scaat", "standard")]
    [found] = paired(results, measure, "scaat", "standard")
    np.testing.assert_allclose(found[1:], (own[0] - own[1])[1:])
    assert np.isnan(found[0])


def test_runs_on_different_pictures_do_not_compare(experiment, tmp_path):
    path = tmp_path / "runs" / "scaat" / "seed-0" / EVALUATION
    changed = json.loads(path.read_text())
    changed["pictures"][0] = "another"
    path.write_text(json.dumps(changed))
    with pytest.raises(CheckpointError, match="different pictures"):
        collect(read_experiment(experiment))


def test_runs_under_different_attacks_do_not_compare(experiment, tmp_path):
    """Accuracies at other radii would be averaged under the first one's."""
    path = tmp_path / "runs" / "scaat" / "seed-0" / EVALUATION
    changed = json.loads(path.read_text())
    changed["robust"][0]["epsilon"] = 8 / 255
    path.write_text(json.dumps(changed))
    with pytest.raises(CheckpointError, match="--epsilons"):
        collect(read_experiment(experiment))


def test_an_arm_with_a_budget_of_its_own_is_named(experiment, tmp_path):
    """Twice the budget is what a reader must know of an arm that looks better."""
    text = experiment.read_text().replace("[common]", "[common]\nbudget = { mean_epsilon = 0.0156862745 }")
    experiment.write_text(
        text.replace(
            "arm = 'scaat'",
            "arm = 'scaat'\nbudget = { mean_epsilon = 0.0313725490 }\noptimiser = { epochs = 8 }",
        )
    )
    write_report(experiment, tmp_path / "out")
    report = (tmp_path / "out" / "try.md").read_text()
    assert "10 epochs (scaat: 8 epochs)" in report
    assert (
        "4.00/255 on average over the pixels (scaat: 8.00/255 on average over the pixels), in 3 steps"
        in report
    )


def test_runs_that_begin_alike_say_so(experiment, tmp_path):
    """Three seeds of one epoch from the same network are no three trainings."""
    text = experiment.read_text().replace(
        "[common]", "[common]\nmodel = { initial_weights = 'base.safetensors' }"
    )
    experiment.write_text(text)
    write_report(experiment, tmp_path / "out")
    assert "goes on from the weights of base.safetensors" in (tmp_path / "out" / "try.md").read_text()


def test_an_accuracy_that_may_well_be_lower_is_not_kept(experiment, tmp_path):
    """Half a point less on average, over so few pictures that three points less are as likely."""
    for arm in ("standard", "scaat"):
        other = tmp_path / "runs" / arm / "seed-0" / EVALUATION
        found = json.loads(other.read_text())
        found["correct"] = "1" * 200 if arm == "standard" else "1" * 199 + "0"
        other.write_text(json.dumps(found))
    write_report(experiment, tmp_path / "out")
    assert "Accuracy within 1 point: not reached; -0.005" in (tmp_path / "out" / "try.md").read_text()


def test_every_candidate_is_held_against_the_twin(experiment, tmp_path):
    """A search for a recipe has several; each says for itself what it reached."""
    text = experiment.read_text()
    experiment.write_text('candidates = ["scaat", "uniform"]\n' + text)
    source = tmp_path / "runs" / "scaat" / "seed-0" / EVALUATION
    folder = tmp_path / "runs" / "uniform" / "seed-0"
    folder.mkdir(parents=True)
    (folder / EVALUATION).write_bytes(source.read_bytes())
    write_report(experiment, tmp_path / "out")
    report = (tmp_path / "out" / "try.md").read_text()
    assert report.count("Accuracy within 1 point: reached by the only seed, which is a hint") == 2
    assert "### uniform: uniform" in report


def test_a_candidate_without_an_arm_is_an_error(experiment):
    experiment.write_text('candidates = ["strong"]\n' + experiment.read_text())
    with pytest.raises(ConfigurationError, match=r"strong; its arms are standard, scaat, uniform"):
        read_experiment(experiment)


def test_nothing_evaluated_is_an_error(experiment, tmp_path):
    for path in tmp_path.rglob(EVALUATION):
        path.unlink()
    with pytest.raises(CheckpointError, match="evaluate"):
        write_report(experiment, tmp_path / "out")


def test_a_handful_of_pictures_is_not_read():
    """Two pictures that agree by luck have an interval of no width."""
    measure = Measure("", "receipts", "more", ())
    assert reading(Difference(Interval(0.1, 0.09, 0.11, 2), 1, 1), measure) == "too few pictures"
    assert reading(Difference(Interval(0.1, 0.09, 0.11, 50), 1, 1), measure) == "for scaat"


def test_seeds_that_contradict_each_other_are_not_read(experiment, tmp_path):
    """Pictures agree to the third digit, so the interval excludes 0; but the other seed says the opposite."""
    for arm, gain in (("standard", 0.3), ("scaat", 0.31)):
        folder = tmp_path / "runs" / arm / "seed-1"
        folder.mkdir()
        (folder / EVALUATION).write_text(json.dumps(evaluation(arm, gini=0.5, gain=gain)))
    measure = Measure("", "receipts", "more", ("explainers", "gradient", "gains", "road"))
    found = difference(collect(read_experiment(experiment)), measure, "scaat", "standard")
    assert found.interval.excludes_zero
    assert (found.agreeing, found.seeds) == (1, 2)
    assert reading(found, measure) == "seeds disagree"
    assert not found.up


@pytest.mark.parametrize("show_pictures", [False, True])
def test_maps_stand_side_by_side_and_pictures_only_if_asked(experiment, tmp_path, show_pictures):
    """Test pictures may not be ours to pass on. Two arms without pictures: each row has two panels, else three."""
    maps = np.linspace(0, 1, 2 * 8 * 8).reshape(2, 8, 8).astype(np.float16)
    for arm in ("standard", "scaat"):
        np.savez(
            tmp_path / "runs" / arm / "seed-0" / MAPS,
            pictures=np.zeros((2, 3, 8, 8), np.uint8),
            gradient=maps,
        )
    write_report(experiment, tmp_path / "out", show_pictures=show_pictures)
    with PIL.Image.open(tmp_path / "out" / "try-maps-gradient.png") as drawn:
        assert drawn.width == pytest.approx(DOTS_PER_INCH * 1.6 * (2 + show_pictures), abs=2)
    assert "(try-maps-gradient.png)" in (tmp_path / "out" / "try.md").read_text()
