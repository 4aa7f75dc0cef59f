"""Every arm by itself: answers, maps, receipts, stability, cost."""

from collections.abc import Iterator

import numpy as np

from training.report.cells import average, mean, text
from training.report.document import Block, Heading, Paragraph, Table
from training.report.intervals import over_seeds, share
from training.report.results import OPERATORS, Results


def arm_tables(results: Results) -> Iterator[Block]:
    """Tabulate what was measured of every arm."""
    yield Heading("Answers and robustness")
    yield Paragraph(
        "Test pictures; accuracy with Wilson's interval over the pictures of the first seed, and the mean over seeds "
        "with Student's t interval where there are several. A black-box accuracy below the white-box one would mean "
        "masked gradients."
    )
    yield Table(
        (
            "arm",
            "accuracy, first seed",
            "accuracy over seeds",
            "confidence",
            "calibration error",
            "under attack",
        ),
        [_answers_row(results, arm) for arm in results.arms],
    )
    yield Heading("Sparseness, receipts, stability")
    yield Paragraph(
        "Sparseness is not faithfulness: a sparse map may omit real evidence. A gain is the symmetric relevance gain "
        "over the probability at stake, so it is relative to each network's own confidence; 0 is chance. "
        "Raw areas under deletion curves are not compared between networks. Maps explain the true class. A picture counts "
        "for an operator only if at least 0.1 of probability is at stake there."
    )
    yield from (_explainer_table(results, name) for name in results.explainers)
    yield Table(
        (
            "arm",
            "map change under noise",
            "map over answer change",
            "rank correlation with randomised network",
            "floor",
        ),
        [_stability_row(results, arm) for arm in results.arms],
    )
    yield Heading("Cost")
    yield Table(
        ("arm", "forward", "backward to image", "backward to weights", "seconds"),
        [_cost_row(results, arm) for arm in results.arms],
    )
    yield Paragraph(
        "Passes per step in the last epoch; seconds of wall-clock time on a machine shared with other work, which "
        "therefore do not compare between arms. The passes do."
    )


def _answers_row(results: Results, arm: str) -> tuple[str, ...]:
    runs = results.of(arm)
    correct = runs[0]["correct"]
    accuracies = np.array([run["test"]["accuracy"] for run in runs])
    attacks = "; ".join(
        f"{255 * one['epsilon']:.0f}/255 {one['kind']} {mean(one['accuracy'] for one in column):.3f}"
        for column in zip(*(run["robust"] for run in runs), strict=True)
        for one in column[:1]
    )
    return (
        arm,
        text(share(correct.count("1"), len(correct))),
        text(over_seeds(accuracies)),
        f"{mean(run['test']['confidence'] for run in runs):.3f}",
        f"{mean(run['test']['calibration_error'] for run in runs):.3f}",
        attacks,
    )


def _explainer_table(results: Results, explainer: str) -> Table:
    boxed = any(value is not None for value in results.of(results.arms[0])[0]["box_area"])
    header = [
        f"{explainer}: arm",
        "Gini",
        *(f"gain, {operator}" for operator in OPERATORS),
        "called faithful",
    ]
    rows = []
    for arm in results.arms:
        cells = [arm, average(results, arm, "explainers", explainer, "gini")]
        cells += [average(results, arm, "explainers", explainer, "gains", operator) for operator in OPERATORS]
        verdicts = [verdict for run in results.of(arm) for verdict in run["explainers"][explainer]["verdict"]]
        cells.append(f"{verdicts.count('faithful')} of {len(verdicts)}")
        if boxed:
            cells.append(average(results, arm, "explainers", explainer, "mass_in_boxes"))
        rows.append(cells)
    return Table([*header, *(["mass in boxes"] if boxed else [])], rows)


def _stability_row(results: Results, arm: str) -> tuple[str, ...]:
    runs = results.of(arm)
    return (
        arm,
        average(results, arm, "input_stability"),
        average(results, arm, "output_stability"),
        f"{mean(run['randomisation']['all_layers_randomised'] for run in runs):.3f}",
        f"{mean(run['randomisation']['floor'] for run in runs):.3f}",
    )


def _cost_row(results: Results, arm: str) -> tuple[str, ...]:
    costs = [run["cost"] for run in results.of(arm)]
    names = ("forward_passes", "backward_passes_to_image", "backward_passes_to_weights")
    passes = [f"{mean(cost[f'{name}_per_step'] for cost in costs):.2f}" for name in names]
    return (arm, *passes, f"{mean(cost['seconds'] for cost in costs):.0f}")
