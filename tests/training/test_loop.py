import json
import shutil
from dataclasses import replace

import pytest
import torch

import training.loop
from training.arms import ARMS
from training.arms.situation import Outcome, Situation
from training.checkpoint import load_checkpoint, save_checkpoint
from training.errors import CheckpointError, DivergedError
from training.log import RunLog, read_metrics
from training.loop import fit
from training.trainer import Trainer, prepare


class Killed(BaseException):
    """Stands for SIGKILL: nothing that catches errors catches it."""


def kill_after(steps: int):
    count = 0

    def after_step(_: Trainer) -> None:
        nonlocal count
        count += 1
        if count == steps:
            raise Killed

    return after_step


@pytest.mark.parametrize("arm", ["standard", "scaat", "free-l2"])
@pytest.mark.parametrize("steps", [2, 5])
def test_a_killed_run_ends_where_the_other_one_does(arm, steps, make_config, tmp_path):
    """Bit for bit, weights and momenta, killed in the middle of the first epoch (4 steps each) and of the second."""
    whole = make_config(arm=arm, output=tmp_path / "whole", checkpoint_seconds=1e-9)
    halves = make_config(arm=arm, output=tmp_path / "halves", checkpoint_seconds=1e-9)
    fit(whole, quiet=True)
    with pytest.raises(Killed):
        fit(halves, quiet=True, after_step=kill_after(steps))
    fit(halves, quiet=True)
    one, two = (load_checkpoint(config.output / "last.safetensors") for config in (whole, halves))
    assert all(torch.equal(one.network[name], two.network[name]) for name in one.network)
    assert all(torch.equal(one.optimiser[name], two.optimiser[name]) for name in one.optimiser)
    epochs = [line["epoch"] for line in read_metrics(halves.output)]
    assert epochs == [0, 1]


def test_the_same_seed_gives_the_same_weights_and_another_does_not(make_config, tmp_path):
    def weights(name: str, seed: int) -> torch.Tensor:
        config = make_config(arm="scaat", output=tmp_path / name, seed=seed)
        fit(config, quiet=True)
        return load_checkpoint(config.output / "last.safetensors").network["network.0.weight"]

    assert torch.equal(weights("a", 0), weights("b", 0))
    assert not torch.equal(weights("c", 0), weights("d", 1))


def test_evaluation_does_not_change_what_training_draws(make_config, tmp_path):
    """A run that monitors twice as many images ends with the same weights."""
    few = make_config(arm="scaat", output=tmp_path / "few", monitor_images=2)
    many = make_config(arm="scaat", output=tmp_path / "many", monitor_images=8)
    fit(few, quiet=True)
    fit(many, quiet=True)
    one, two = (load_checkpoint(config.output / "last.safetensors").network for config in (few, many))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_training_learns_the_tiny_problem(make_config):
    ended = fit(make_config(optimiser__epochs=6), quiet=True)
    assert ended.best_accuracy == 1.0


def test_best_is_the_best_on_validation_and_not_the_last(make_config, monkeypatch):
    """T13, with three checkpoints: 0.5, 0.9, 0.7."""
    scores = iter([0.5, 0.9, 0.7])
    monkeypatch.setattr(training.loop, "_validate", lambda _: {"accuracy": next(scores)})
    config = make_config(optimiser__epochs=3)
    ended = fit(config, quiet=True)
    best = load_checkpoint(config.output / "best.safetensors").facts["progress"]
    assert ended.best_accuracy == 0.9
    assert best["epoch"] == 2


def test_the_test_part_is_never_read(make_config, pictures_root, tmp_path):
    """T13: published code selects on the test set."""
    shutil.copytree(pictures_root / "train", tmp_path / "data" / "train")
    fit(make_config(data__root=tmp_path / "data"), quiet=True)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(make_config, monkeypatch):
    """The weights on disk are from before, and finite."""
    config = make_config(checkpoint_seconds=1e-9)
    step, count = training.loop._step, 0

    def poisoned(trainer, outcome):
        nonlocal count
        count += 1
        if count == 3:
            outcome = Outcome(outcome.loss * float("nan"), outcome.passes)
        return step(trainer, outcome)

    monkeypatch.setattr(training.loop, "_step", poisoned)
    with pytest.raises(DivergedError, match="epoch 1, step 3"):
        fit(config, quiet=True)
    kept = load_checkpoint(config.output / "last.safetensors")
    assert kept.facts["progress"]["step"] == 2
    assert all(value.isfinite().all() for value in kept.network.values())


@pytest.mark.parametrize(("step", "kept"), [(2, 1), (4, 3)])
def test_weights_that_are_not_finite_are_never_kept(step, kept, make_config, monkeypatch):
    """A gradient may overflow under a finite loss, which says so one step later: in the epoch, or at its very end."""
    config = make_config(checkpoint_seconds=1e-9)
    take, count = training.loop._step, 0

    def overflow(trainer, outcome):
        nonlocal count
        value, count = take(trainer, outcome), count + 1
        if count == step:
            with torch.no_grad():
                next(trainer.network.parameters()).fill_(float("inf"))
        return value

    monkeypatch.setattr(training.loop, "_step", overflow)
    with pytest.raises(
        DivergedError, match=rf"no longer finite after epoch 1, step {step}\..*initial_weights"
    ):
        fit(config, quiet=True)
    found = load_checkpoint(config.output / "last.safetensors")
    assert found.facts["progress"]["step"] == kept
    assert all(value.isfinite().all() for value in found.network.values())


def test_a_run_that_diverges_at_once_promises_no_checkpoint(make_config):
    with pytest.raises(DivergedError, match="No checkpoint had been written"):
        fit(make_config(optimiser__learning_rate=1e30, optimiser__warm_up=0.0), quiet=True)


def test_a_run_killed_between_its_checkpoint_and_its_log_misses_no_line(make_config, monkeypatch):
    """The line of the last epoch is where an evaluation finds what a step cost."""
    config, write = make_config(), RunLog.epoch

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(RunLog, "epoch", killed)
    with pytest.raises(Killed):
        fit(config, quiet=True)
    monkeypatch.setattr(RunLog, "epoch", write)
    fit(config, quiet=True)
    assert [line["epoch"] for line in read_metrics(config.output)] == [0, 1]


@pytest.mark.parametrize("torn", [b'{"epoch": 1, "lo', b"\x00" * 40, b"\xff\n"])
def test_a_log_that_ends_in_half_a_line_is_gone_on_with(torn, make_config):
    """A disk that was full took the rest of it, or a power cut left zeros."""
    config = make_config()
    with pytest.raises(Killed):
        fit(config, quiet=True, after_step=kill_after(5))
    path = config.output / "metrics.jsonl"
    path.write_bytes(path.read_bytes() + torn)
    fit(config, quiet=True)
    assert [line["epoch"] for line in read_metrics(config.output)] == [0, 1]


def test_a_run_goes_on_on_a_machine_with_less_memory(make_config):
    """Where pictures are kept, and who decodes them, changes no weight."""
    with pytest.raises(Killed):
        fit(make_config(checkpoint_seconds=1e-9), quiet=True, after_step=kill_after(2))
    assert fit(make_config(data__in_memory="false"), quiet=True).epoch == 2


def test_pictures_left_out_are_counted_and_named(make_config, pictures_root, tmp_path, capsys):
    """A thousand of them would otherwise go missing without a word."""
    shutil.copytree(pictures_root, tmp_path / "data")
    (tmp_path / "data" / "train" / "left" / "03.png").write_bytes(b"broken")
    fit(make_config(data__root=tmp_path / "data", data__corrupt="skip"), quiet=True)
    said = capsys.readouterr().err
    assert said.count("training: 1 pictures cannot be decoded and are left out") == 1
    assert "03.png" in said


def test_a_folder_with_another_run_is_not_overwritten(make_config):
    fit(make_config(), quiet=True)
    with pytest.raises(CheckpointError, match="arm"):
        fit(make_config(arm="scaat"), quiet=True)


def test_the_merged_configuration_is_stored_with_the_run(make_config):
    config = make_config(arm="scaat")
    fit(config, quiet=True)
    assert json.loads((config.output / "config.json").read_text()) == json.loads(config.model_dump_json())


def test_fine_tuning_starts_from_the_weights_it_is_given(make_config, tmp_path):
    first = make_config(output=tmp_path / "first")
    fit(first, quiet=True)
    start = load_checkpoint(first.output / "last.safetensors").network
    second = make_config(output=tmp_path / "second", model__initial_weights=first.output / "last.safetensors")
    trainer = prepare(second, quiet=True)
    assert all(torch.equal(value, start[name]) for name, value in trainer.network.state_dict().items())


def test_fine_tuning_from_another_network_is_refused(make_config, tmp_path):
    first = make_config(output=tmp_path / "first")
    fit(first, quiet=True)
    with pytest.raises(CheckpointError, match="another network"):
        fit(
            make_config(
                output=tmp_path / "second",
                model__width=8,
                model__initial_weights=first.output / "last.safetensors",
            ),
            quiet=True,
        )


def test_the_guard_rolls_back_and_attacks_more_gently(make_config, monkeypatch):
    """Start at 0.9; the second epoch falls to 0.7, more than 5 points: back to the first epoch's weights."""
    scores = iter([0.9, 0.88, 0.7, 0.89])
    monkeypatch.setattr(training.loop, "_validate", lambda _: {"accuracy": next(scores)})
    config = make_config(arm="scaat", guard__points=5, optimiser__epochs=3)
    ends = []

    def note(trainer: Trainer) -> None:
        if trainer.progress.step == 1:
            ends.append(trainer.progress.epsilon_factor)

    ended = fit(config, quiet=True, after_step=note)
    assert ended.rollbacks == 1
    assert ends == [1.0, 1.0, 0.5]
    assert ended.best_accuracy == 0.89


@pytest.mark.parametrize("arm", ["scaat", "sgt"])
def test_the_guard_weakens_every_arm_that_attacks(make_config, monkeypatch, arm):
    """What the arm is told halves with every rollback."""
    scores = iter([0.9, 0.7, 0.7, 0.89])
    monkeypatch.setattr(training.loop, "_validate", lambda _: {"accuracy": next(scores)})
    told = []

    def spy(now: Situation):
        told.append(now.weakened)
        return ARMS["standard"](now)

    monkeypatch.setattr(training.loop, "ARMS", {**ARMS, arm: spy})
    fit(make_config(arm=arm, guard__points=5, optimiser__epochs=3), quiet=True)
    assert list(dict.fromkeys(told)) == [1.0, 0.5, 0.25]


def test_the_guard_takes_no_best_weights_from_before_the_run(make_config, monkeypatch, tmp_path):
    """A run that was killed in its first epoch left some; the epoch that is undone returns to the start."""
    start = make_config(output=tmp_path / "start")
    fit(start, quiet=True)
    initial = start.output / "last.safetensors"
    config = make_config(
        output=tmp_path / "tuned",
        model__initial_weights=initial,
        guard__points=5,
        optimiser__epochs=1,
    )
    stale = load_checkpoint(initial)
    for value in stale.network.values():
        value.zero_()
    facts = {**stale.facts, "config": json.loads(config.model_dump_json())}
    save_checkpoint(config.output / "best.safetensors", replace(stale, facts=facts))
    scores = iter([0.9, 0.5])
    monkeypatch.setattr(training.loop, "_validate", lambda _: {"accuracy": next(scores)})
    assert fit(config, quiet=True).rollbacks == 1
    ended = load_checkpoint(config.output / "last.safetensors").network
    assert all(torch.equal(value, ended[name]) for name, value in load_checkpoint(initial).network.items())


def test_a_run_does_not_begin_beside_the_best_weights_of_another(make_config):
    """They would be evaluated and exported as this run's, should none of its epochs be better."""
    config = make_config()
    fit(config, quiet=True)
    (config.output / "last.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"best\.safetensors is of a run with other settings of seed"):
        fit(make_config(seed=7), quiet=True)
    fit(config, quiet=True)


def test_several_steps_per_batch_are_counted(make_config):
    config = make_config(arm="free-l2", attack__replays=3)
    fit(config, quiet=True)
    assert read_metrics(config.output)[0]["forward_passes_per_step"] == 3
