"""`python -m training`: every failure is one line and 2."""

import json
from pathlib import Path

import pytest

from training.__main__ import main
from training.checkpoint import load_checkpoint
from training.evaluation import EVALUATION
from training.loop import fit
from training.runs import open_run

EXPERIMENT = """
question = "Does it?"
output = "{output}"
seeds = [0]
[common]
data = {{ root = "{root}", size = 8, shift = 1 }}
model = {{ width = 4 }}
optimiser = {{ epochs = 1, batch_size = 8 }}
device = {{ accelerator = "cpu", threads = 1 }}
[arms.standard]
"""


@pytest.fixture
def experiment(tmp_path: Path, pictures_root: Path) -> Path:
    path = tmp_path / "try.toml"
    path.write_text(EXPERIMENT.format(output=tmp_path / "runs", root=pictures_root))
    return path


def test_an_experiment_is_fitted_once(experiment, capsys):
    assert main(["experiment", str(experiment)]) == 0
    assert "standard seed 0: validation accuracy" in capsys.readouterr().out
    assert main(["experiment", str(experiment)]) == 0
    assert capsys.readouterr().out == ""


def test_a_finished_run_of_other_settings_does_not_pass_for_this_one(experiment, tmp_path, capsys):
    """Nor in the report: what is in the file would be said of what was never trained."""
    assert main(["experiment", str(experiment)]) == 0
    experiment.write_text(experiment.read_text().replace("width = 4", "width = 5"))
    capsys.readouterr()
    assert main(["experiment", str(experiment)]) == 2
    assert "other settings of model.width" in capsys.readouterr().err
    (tmp_path / "runs" / "standard" / "seed-0" / EVALUATION).write_text("{}")
    assert main(["report", str(experiment), "--output", str(tmp_path / "out")]) == 2
    assert "other settings of model.width" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--only", "scat"], "--only: scat is not in the experiment; it has standard"),
        (["--seeds", "0", "7"], "--seeds: 7 is not in the experiment; it has 0"),
    ],
)
def test_a_mistyped_choice_is_no_success(flags, said, experiment, capsys):
    """It trained nothing and returned 0."""
    assert main(["experiment", str(experiment), *flags]) == 2
    assert capsys.readouterr().err == f"training: {said}\n"


@pytest.mark.parametrize("flag", ["--map-images", "--robust-images", "--epsilons"])
def test_no_pictures_are_no_evaluation(flag, tmp_path, capsys):
    with pytest.raises(SystemExit) as exited:
        main(["evaluate", str(tmp_path), flag, "0"])
    assert exited.value.code == 2
    assert "'0' is no whole number above 0" in capsys.readouterr().err


def test_an_evaluation_of_earlier_weights_is_made_again(make_config, monkeypatch):
    """A glob over an experiment under way finds runs in the middle; they go on, and are not measured for ever."""
    config = make_config()
    fit(config, quiet=True)
    best = config.output / "best.safetensors"
    facts = load_checkpoint(best).facts["progress"]
    evaluated = []

    def evaluate(folder: Path, **_: object) -> dict[str, object]:
        evaluated.append(folder)
        return {"test": {"accuracy": 1.0}, "evaluation_seconds": 1.0}

    monkeypatch.setattr("training.__main__.evaluate_run", evaluate)
    for training, due in ((facts, 0), ({**facts, "epoch": 0}, 1)):
        (config.output / EVALUATION).write_text(json.dumps({"training": training}))
        assert main(["evaluate", str(config.output)]) == 0
        assert len(evaluated) == due


def test_a_run_without_its_log_cannot_be_evaluated_and_says_why(make_config, capsys):
    """Somebody copied the checkpoints only."""
    config = make_config()
    fit(config, quiet=True)
    (config.output / "metrics.jsonl").unlink()
    assert main(["evaluate", str(config.output), "--map-images", "2", "--robust-images", "4"]) == 2
    assert "holds no metrics.jsonl" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_line(pictures_root, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    flags = {"output": tmp_path / "file" / "run", "data.root": pictures_root, "data.size": 8}
    code = main(["fit", "--quiet", *(f"--{key}={value}" for key, value in flags.items())])
    assert code == 2
    said = capsys.readouterr().err
    assert said.startswith("training: ")
    assert said.count("\n") == 1
    assert "file" in said


@pytest.mark.parametrize("accelerator", ["banana", "tpu"])
def test_a_device_that_is_not_there_is_one_line(accelerator, make_config, tmp_path, capsys):
    """Such as cuda on a laptop."""
    path = tmp_path / "config.json"
    path.write_text(make_config().model_dump_json())
    assert main(["fit", str(path), "--device.accelerator", accelerator, "--quiet"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"training: device.accelerator '{accelerator}'")
    assert said.count("\n") == 1


def test_a_run_that_cannot_be_evaluated_holds_up_no_other(make_config, monkeypatch, tmp_path, capsys):
    """A glob finds the one in its first epoch first; an evaluation takes minutes, and the night is over."""
    config = make_config()
    fit(config, quiet=True)
    found = {"test": {"accuracy": 1.0}, "evaluation_seconds": 1.0}
    monkeypatch.setattr(
        "training.__main__.evaluate_run",
        lambda folder, **_: open_run(folder) and found,
    )
    assert main(["evaluate", str(tmp_path / "begun"), str(config.output)]) == 2
    out, said = capsys.readouterr()
    assert out.startswith(f"{config.output}: accuracy 1.0000")
    assert "begun holds no best.safetensors" in said
    assert "1 of 2 runs cannot be evaluated" in said


def test_an_interruption_is_one_line(experiment, monkeypatch, capsys):
    """Ctrl-C is how most runs are stopped."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.__main__.fit", interrupted)
    assert main(["experiment", str(experiment)]) == 130
    assert capsys.readouterr().err.count("\n") == 1
