import pytest

from training.config import Config, changed_settings, keys, load_config
from training.errors import ConfigurationError


def test_a_file_overrides_defaults_and_flags_override_the_file(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('arm = "sgt"\n[attack]\nsteps = 5\nepsilon = 0.01\n')
    config = load_config(path, {"attack.steps": "7"})
    assert (config.arm, config.attack.steps, config.attack.epsilon) == ("sgt", 7, 0.01)
    assert config.attack.norm == "linf"


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"attack.stepz": "3"}, "attack.stepz"),
        ({"attack.steps": "0"}, "attack.steps"),
        ({"attack.epsilon": "nan"}, "attack.epsilon"),
        ({"arm": "scat"}, "arm"),
        ({"saliency.smoothing": "2"}, "saliency.smoothing"),
        ({"nosuch": "1"}, "nosuch"),
    ],
)
def test_what_is_wrong_is_named(flags, named):
    with pytest.raises(ConfigurationError, match=named):
        load_config(None, flags)


def test_a_file_that_is_no_toml_is_refused(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text("arm = ")
    with pytest.raises(ConfigurationError, match=r"run\.toml"):
        load_config(path, {})


def test_none_switches_off():
    assert load_config(None, {"budget.mean_epsilon": "none"}).budget.mean_epsilon is None


def test_every_key_says_what_it_means():
    assert all(meaning for _, meaning in keys())


def test_the_settings_that_a_run_stores_can_be_read_again(tmp_path):
    """Its card says so: `python -m training fit` with its config.json makes it once more."""
    path = tmp_path / "config.json"
    config = load_config(None, {"arm": "scaat", "budget.mean_epsilon": "none", "seed": "3"})
    path.write_text(config.model_dump_json(indent=2))
    assert load_config(path, {}) == config
    path.write_text("{")
    with pytest.raises(ConfigurationError, match="cannot be read as JSON"):
        load_config(path, {})


def test_where_a_run_is_made_is_no_other_setting():
    flags = {"output": "elsewhere", "device.threads": "4", "data.workers": "2", "data.in_memory": "false"}
    assert changed_settings(load_config(None, flags), Config()) == []
    assert changed_settings(load_config(None, {"data.size": "64", "seed": "1"}), Config()) == [
        "seed",
        "data.size",
    ]
