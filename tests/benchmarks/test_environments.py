"""Where the peers are installed."""

import ast
import tomllib
from pathlib import Path

from benchmarks.__main__ import WORKS, peers

ROOT = Path(__file__).parents[2]


def test_every_environment_of_a_peer_is_one_that_make_bench_sets_up() -> None:
    """A peer whose environment nobody makes would be "not installed" for ever."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    makefile = (ROOT / "Makefile").read_text()
    environments = {
        peer.python.parent.parent.name for peer in peers(Path(".venvs")) if ".venvs" in peer.python.parts[:1]
    }

    assert environments
    for environment in environments:
        assert environment in groups
        assert f".venvs/{environment}" in makefile


def test_every_kind_of_work_has_a_contender_beside_ours() -> None:
    """Nobody else makes a receipt: there it is the metrics that are nearest to it."""
    rivals = [peer for peer in peers(Path(".venvs")) if not peer.module.endswith("saliserve")]

    assert {work for peer in rivals for work in peer.works} == set(WORKS)


def test_a_peer_says_of_itself_what_the_driver_says_of_it() -> None:
    """Read from the source: most peers do not import here."""
    for peer in peers(Path(".venvs")):
        tree = ast.parse((ROOT / f"{peer.module.replace('.', '/')}.py").read_text())
        [works] = [
            node.value
            for node in tree.body
            if isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and node.target.id == "WORKS"
        ]
        assert isinstance(works, ast.Dict)
        assert {ast.literal_eval(key) for key in works.keys if key is not None} == peer.works, peer.title
