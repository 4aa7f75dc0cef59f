"""From the measures that a request names to the plans that make them."""

from collections.abc import Collection, Iterator

from service.arrays import Image, Logits
from service.explain.explanation import Explanation
from service.explain.method import Parameters
from service.explain.subject import Subject
from service.faithfulness.grid import Grid
from service.faithfulness.measures.luck import luck_plan
from service.faithfulness.measures.magnitude_plan import magnitude_plan
from service.faithfulness.measures.measure import Measure
from service.faithfulness.measures.pixels import pixels_plan
from service.faithfulness.measures.repeatability import repeatability_plan
from service.faithfulness.measures.stability import stability_plan
from service.faithfulness.receipt import Receipt
from service.job import Job
from service.runtime.plan import DeadlineReached, Plan


def measures_of_map(
    names: Collection[str], subject: Subject, receipt: Receipt
) -> Iterator[tuple[str, Plan[Measure]]]:
    """Name and plan what can be measured of any map; of one that ranks nothing, nothing is.

    Args:
        names: That were asked for.
        subject: What the map explains.
        receipt: Of the map.
    """
    if not receipt.panels:
        return
    protocol, saliency = receipt.protocol, receipt.map
    grid = Grid.over(*saliency.shape, rows=protocol.rows, columns=protocol.columns)
    scores = grid.cell_sums(saliency)
    counted = [panel for panel in receipt.panels if panel.operator.name in receipt.counted]
    if "luck" in names and counted:
        yield "luck", luck_plan(subject, scores, grid, counted, steps=protocol.steps)
    if "magnitude" in names:
        yield "magnitude", magnitude_plan(subject, scores, grid, protocol.operators)
    if "pixels" in names:
        clear_probability = receipt.panels[0].clear_probability
        yield (
            "pixels",
            pixels_plan(
                subject,
                saliency,
                protocol.operators,
                steps=protocol.steps,
                clear_probability=clear_probability,
            ),
        )


def measures_of_explanation(
    job: Job, subject: Subject, explanation: Explanation, logits: Logits, receipt: Receipt
) -> Iterator[tuple[str, Plan[Measure]]]:
    """Name and plan what a request asks to measure of a map that can be made again.

    Args:
        job: The request.
        subject: What is explained.
        explanation: Of it.
        logits: ``[classes]`` of the image.
        receipt: Of the map.
    """
    names, saliency = job.options.measures, explanation.map
    yield from measures_of_map(names, subject, receipt)

    def near(pixels: Image) -> Plan[Explanation]:
        target, contrast, seed = subject.target, subject.contrast, subject.seed
        moved = Subject.of(subject.model, pixels, target=target, contrast=contrast, seed=seed)
        return as_whole_as(explanation, job.explain(moved))

    def again(subject: Subject, parameters: Parameters) -> Plan[Explanation]:
        return as_whole_as(explanation, job.explain(subject, parameters))

    if "stability" in names:
        yield "stability", stability_plan(subject, saliency, logits, near)
    if "repeatability" in names:
        yield (
            "repeatability",
            repeatability_plan(subject, saliency, job.method, job.parameters, again),
        )


def as_whole_as(first: Explanation, plan: Plan[Explanation]) -> Plan[Explanation]:
    """Make another map; one that time cut short where the first was whole would look like a change.

    Raises:
        DeadlineReached: It was cut short.
    """
    again = yield from plan
    if not again.converged and again.forwards < first.forwards:
        raise DeadlineReached
    return again
