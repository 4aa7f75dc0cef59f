"""Write the generated parts of docs/gradients.md: the table of operators and the table of parities.

    python -m scripts.gradients_page [--parity out/gradient-parity]

The first is made from the rules themselves, and a test compares it; the second from the results of
``python -m scripts.gradient_parity``.
"""

import argparse
import inspect
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Final

import service.graphs.rules  # noqa: F401 - registers the rules
from scripts.gradient_parity import EXPORTERS, Exported, Result
from service.graphs.expansions import EXPANSIONS
from service.graphs.step import RULES

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "gradients.md"


def operator_table() -> str:
    """List every operator with its derivative, from the rules' docstrings."""
    lines = ["| operator | derivative |", "|---|---|"]
    for operator, rule in sorted(RULES.items()):
        formula = " ".join((inspect.getdoc(rule) or "").split("\n\n")[0].split())
        cell = formula.replace("|", r"\|").replace("``", "`")
        lines.append(f"| {operator} | {cell} |")
    newer = ", ".join(sorted(EXPANSIONS))
    return "\n".join([*lines, "", f"Written as older operators first: {newer}."])


GATES: Final = 1e-5
"""Relative error beyond which a gate was taken for the other side: rounding alone stays below 5e-6 in every model."""


def parity_table(results: Iterable[Result]) -> str:
    """List every model and exporter with the medians of both errors, over all images of all seeds.

    Then apart: on how many images a gate was taken for the other side, and the medians' ratio on the others.
    """
    columns = (
        "model",
        "exporter",
        "images, by weights",
        "nodes, classifier → gradient",
        "build, s",
        "ours",
        "PyTorch float32",
        "ratio",
        "gates: ours, PyTorch's",
        "ratio elsewhere",
    )
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    by_model: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_model[result.model].append(result)
    for model, measured in by_model.items():
        theirs = [error for result in measured for error in result.theirs]
        count = " + ".join(str(len(result.theirs)) for result in measured)
        for exporter in EXPORTERS:
            found = [result.exported[exporter] for result in measured]
            lines.append(f"| {model} | {exporter} | {count} | {_figures(found, theirs)} |")
    return "\n".join(lines)


def _figures(found: Sequence[Exported], theirs: Sequence[float]) -> str:
    if found[0].failure:
        return f"the exporter fails: {found[0].failure} | | | | | |"
    ours = [error for one in found for error in one.errors]
    seconds = median(one.build_s for one in found)
    classifier, gradient = found[0].nodes
    return (
        f"{classifier} → {gradient} | {seconds:.1f} | {median(ours):.1e} | {median(theirs):.1e} "
        f"| {median(ours) / median(theirs):.2g} | {_share(ours)}, {_share(theirs)} | {_elsewhere(ours, theirs)}"
    )


def _share(errors: Sequence[float]) -> str:
    return f"{sum(error > GATES for error in errors) / len(errors):.0%}"


def _elsewhere(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Compare the medians over the images on which neither took a gate for the other side."""
    both = [pair for pair in zip(ours, theirs, strict=True) if max(pair) <= GATES]
    if not both:
        return "none"
    return f"{median(one for one, _ in both) / median(other for _, other in both):.2g}"


def read_results(folder: Path) -> Iterator[Result]:
    """Read the results of a run, by name and seed."""
    for path in sorted(folder.glob("*.json")):
        fields = json.loads(path.read_text())
        exported = {
            name: Exported(**{**one, "nodes": tuple(one["nodes"])})
            for name, one in fields["exported"].items()
        }
        yield Result(fields["model"], fields["seed"], tuple(fields["theirs"]), exported)


def replaced(page: str, name: str, content: str) -> str:
    """Replace what stands between a pair of markers."""
    pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
    return re.sub(pattern, lambda found: f"{found[1]}{content}\n{found[2]}", page, flags=re.DOTALL)


def written(page: str) -> str:
    """Bring the generated parts of the page up to date."""
    return replaced(page, "operators", operator_table())


def main() -> None:
    """Bring the page up to date."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parity", type=Path, help="folder of scripts.gradient_parity's results")
    given = parser.parse_args()
    page = written(PAGE.read_text())
    if given.parity is not None:
        page = replaced(page, "parity", parity_table(read_results(given.parity)))
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
