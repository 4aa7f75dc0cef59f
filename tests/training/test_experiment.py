import pytest

from training.errors import ConfigurationError
from training.experiment import read_experiment

TEXT = """
name = "try"
question = "Does it?"
output = "runs/try"
seeds = [0, 1]
[common]
attack = { epsilon = 0.1, steps = 2 }
[arms.standard]
[arms.guided]
label = "with guidance"
arm = "scaat"
attack = { steps = 5 }
"""


def test_seeds_are_the_outer_loop(tmp_path):
    """Stopped anywhere, no arm is more than one seed ahead."""
    (tmp_path / "try.toml").write_text(TEXT)
    found = read_experiment(tmp_path / "try.toml")
    assert list(found.runs) == [("standard", 0), ("guided", 0), ("standard", 1), ("guided", 1)]
    guided = found.runs["guided", 1]
    assert (guided.arm, guided.attack.steps, guided.attack.epsilon, guided.seed) == ("scaat", 5, 0.1, 1)
    assert str(guided.output) == "runs/try/guided/seed-1"
    assert found.labels == {"standard": "standard", "guided": "with guidance"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name = ",
        TEXT + "typo = 1\n",
        TEXT.replace("[0, 1]", "3"),
        TEXT.replace("[arms.standard]", "[arms]\nstandard = 1"),
    ],
)
def test_a_wrong_file_is_refused(text, tmp_path):
    (tmp_path / "try.toml").write_text(text)
    with pytest.raises(ConfigurationError):
        read_experiment(tmp_path / "try.toml")
