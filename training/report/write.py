"""The report, put together."""

from collections.abc import Callable, Iterator
from pathlib import Path

from training.config import Config
from training.experiment import read_experiment
from training.report.arms import arm_tables
from training.report.comparisons import acceptance, comparisons
from training.report.document import Block, Code, Heading, Items, Paragraph, Table, to_html, to_markdown
from training.report.frontiers import frontiers
from training.report.gallery import gallery
from training.report.results import Results, collect

METHOD = "SCAAT, reconstructed from the abstract of arXiv 2311.05143"


def write_report(path: Path, folder: Path, *, show_pictures: bool = False) -> Results:
    """Write ``<name>.md`` and ``<name>.html`` with their figures.

    Args:
        path: The experiment.
        folder: Where to.
        show_pictures: Whether the test pictures stand beside their maps; their licence may forbid to pass them on.

    Returns:
        What was reported.

    Raises:
        CheckpointError: Nothing is evaluated yet.
    """
    results = collect(read_experiment(path))
    name = results.experiment.name
    folder.mkdir(parents=True, exist_ok=True)
    blocks = [
        Heading(f"{name}: arms side by side", 1),
        *_opening(results, path),
        *arm_tables(results),
        *comparisons(results),
        *acceptance(results),
        *frontiers(results, folder),
        *gallery(results, folder, show_pictures=show_pictures),
        *_limits(results, path),
    ]
    (folder / f"{name}.md").write_text(to_markdown(blocks), encoding="utf-8")
    (folder / f"{name}.html").write_text(to_html(name, blocks), encoding="utf-8")
    return results


def _opening(results: Results, path: Path) -> Iterator[Block]:
    yield Paragraph(f"{METHOD}. The body of that paper was not available; no number of it is quoted here.")
    yield Paragraph(f"Question: {results.experiment.question}")
    data = next(iter(results.experiment.runs.values())).data
    network = _of_every_arm(results, lambda config: config.model.name)
    epochs = _of_every_arm(results, lambda config: f"{config.optimiser.epochs} epochs")
    steps = _of_every_arm(results, lambda config: f"{config.attack.steps} steps")
    yield Paragraph(
        f"Network {network}, {data.size}x{data.size} pixels, {epochs}. Every arm that attacks spends "
        f"{_of_every_arm(results, _budget)}, in {steps} of PGD. {_beginning(results)}Settings in full: {path}."
    )
    yield Table(
        ("arm", "what it is", "seeds evaluated"),
        [
            (arm, results.experiment.labels[arm], ", ".join(map(str, results.seeds(arm))) or "none")
            for arm in results.experiment.labels
        ],
    )


def _budget(config: Config) -> str:
    mean = config.budget.mean_epsilon
    return "no common mean" if mean is None else f"{255 * mean:.2f}/255 on average over the pixels"


def _beginning(results: Results) -> str:
    """Say where runs begin that are not trained from scratch: seeds then have less to differ in."""
    weights = {results.experiment.runs[key].model.initial_weights for key in results.evaluations}
    if len(weights) > 1 or None in weights:
        return ""
    return (
        f"Every run goes on from the weights of {weights.pop()}: seeds differ in order, augmentation and attack, not in "
        "where they begin. "
    )


def _of_every_arm(results: Results, tell: Callable[[Config], str]) -> str:
    """Tell a setting, and by name every arm of the report that has another."""
    told = {arm: tell(results.experiment.runs[arm, results.seeds(arm)[0]]) for arm in results.arms}
    common = next(iter(told.values()))
    others = [f"{arm}: {one}" for arm, one in told.items() if one != common]
    return f"{common} ({'; '.join(others)})" if others else common


def _limits(results: Results, path: Path) -> Iterator[Block]:
    yield Heading("What did not run")
    if not results.missing:
        yield Paragraph("Every run of the experiment is in this report.")
        return
    yield Paragraph(f"{len(results.missing)} of {len(results.experiment.runs)} runs are not in this report:")
    yield Items([f"{arm}, seed {seed}" for arm, seed in results.missing])
    output = next(iter(results.experiment.runs.values())).output.parents[1]
    yield Paragraph("To finish them (interrupt at will; finished runs are kept):")
    yield Code(
        f"python -m training experiment {path}\n"
        f"python -m training evaluate {output}/*/seed-* {_evaluation_flags(results)}\n"
        f"python -m training report {path}"
    )


def _evaluation_flags(results: Results) -> str:
    """Name the flags of what was evaluated, so that further runs see the same pictures and attacks."""
    first = next(iter(results.evaluations.values()))
    radii = dict.fromkeys(round(255 * one["epsilon"]) for one in first["robust"])
    return (
        f"--map-images {len(first['pictures'])} --robust-images {first['robust'][0]['images']} "
        f"--epsilons {' '.join(map(str, radii))}"
    )
