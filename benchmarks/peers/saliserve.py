"""Ours: the same plans that the service runs, driven without the service."""

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.case import CELLS, DEVIATION, INTERVALS, KEEP, WINDOW, Case, Contender, Run, metric
from service.bundle.load import find_bundles, load_bundle
from service.explain.methods import METHODS
from service.explain.subject import Subject
from service.faithfulness.answers import answers
from service.faithfulness.curve import partly_removed
from service.faithfulness.grid import Grid
from service.faithfulness.measures.magnitude_plan import magnitude_forwards, magnitude_plan
from service.faithfulness.operators.black import BLACK
from service.faithfulness.operators.operator import Operator
from service.faithfulness.operators.road import ROAD
from service.faithfulness.protocol import FAST, FULL, Protocol
from service.faithfulness.receipt import receipt_plan
from service.runtime.device import choose_device
from service.runtime.drive import drive
from service.runtime.model import LoadedModel
from service.runtime.programs import Programs

PACKAGE = ""


@lru_cache(maxsize=1)
def loaded(folder: Path, threads: int) -> LoadedModel:
    """Load and warm the bundle of a model's folder; rows of one model in a row share it."""
    device = choose_device("cpu", threads=threads)
    [path] = find_bundles(folder / "bundles")
    model = LoadedModel(load_bundle(path), device, Programs(device))
    model.warm_up()
    return model


def subject_of(case: Case) -> Subject:
    """Load the model and upload the image."""
    return Subject.of(loaded(case.folder, case.threads), case.image, target=case.target)


def _method(name: str, parameters: dict[str, Any], case: Case) -> Run:
    subject, method = subject_of(case), METHODS[name]
    counts = {key: case.counts[value] if isinstance(value, str) and value in case.counts else value
              for key, value in parameters.items()}  # fmt: skip
    chosen = method.parameters(**counts)
    return lambda: drive(method.plan(subject, chosen), subject.model).map


def _deletion_and_insertion(case: Case) -> Run:
    """Remove single pixels in both orders; the curve of the least relevant first is insertion, read backwards."""
    return _curves(BLACK, case, case.counts["intervals"])


def _road(case: Case) -> Run:
    """Remove 20, 40, 60 and 80 % of the pixels in both orders."""
    return _curves(ROAD, case, 5)


def _curves(operator: Operator, case: Case, steps: int) -> Run:
    subject = subject_of(case)
    saliency = case.saliency.ravel()

    def run() -> np.ndarray[Any, Any]:
        grid = Grid(*case.saliency.shape, *case.saliency.shape)
        order = np.argsort(-saliency, kind="stable")
        ends = np.array([[False], [True]]).repeat(grid.size, 1)
        inner = [partly_removed(way, steps) for way in (order, order[::-1])]
        removed = np.concatenate([*inner, ends])
        found = drive(answers(subject, operator.prepare(subject, grid), removed), subject.model).probability
        (deleted, inserted), (whole, empty) = found[:-2].reshape(2, -1), found[-2:]
        return np.stack([[whole, *deleted, empty], [empty, *inserted[::-1], whole]])

    return run


def _receipt(protocol: Protocol, case: Case) -> Run:
    """Judge the map; what others say of it too is looked up before the clock starts."""
    subject = subject_of(case)
    deletion, insertion = _curve_areas(case)()

    def run() -> np.ndarray[Any, Any]:
        receipt = drive(receipt_plan(subject, case.saliency, protocol=protocol), subject.model)
        [black] = [panel for panel in receipt.panels if panel.operator is BLACK]
        cells = black.map.morf[1:] if protocol is FULL else None
        return metric(receipt.forwards, deletion=deletion, insertion=insertion, cells=cells)

    return run


def _curve_areas(case: Case) -> Callable[[], tuple[float, float]]:
    curves = _curves(BLACK, case, INTERVALS)

    def run() -> tuple[float, float]:
        deletion, insertion = np.trapezoid(curves(), axis=1) / INTERVALS
        return float(deletion), float(insertion)

    return run


def _deletion_and_insertion_as_metric(case: Case) -> Run:
    areas = _curve_areas(case)

    def run() -> np.ndarray[Any, Any]:
        deletion, insertion = areas()
        return metric(2 * INTERVALS, deletion=deletion, insertion=insertion)

    return run


def _magnitude(case: Case) -> Run:
    """Ask what Quantus' faithfulness correlation asks, of cells, and SaCo with it."""
    subject = subject_of(case)
    grid = Grid.over(*case.saliency.shape, rows=FULL.rows, columns=FULL.columns)
    scores = grid.cell_sums(case.saliency)

    def run() -> np.ndarray[Any, Any]:
        drive(magnitude_plan(subject, scores, grid, [BLACK.name]), subject.model)
        return metric(magnitude_forwards(1))

    return run


def _contender(name: str, **parameters: Any) -> Contender:
    return partial(_method, name, parameters)


WORKS: dict[str, dict[str, Contender]] = {
    "gradient": {"saliserve": _contender("gradient")},
    "grad_cam": {"saliserve": _contender("grad_cam")},
    "integrated_gradients": {
        "saliserve": _contender("integrated_gradients", steps="steps", maximum_steps="steps")
    },
    "smooth_grad": {"saliserve": _contender("smooth_grad", samples="samples", deviation=DEVIATION)},
    "occlusion": {
        "saliserve": _contender("occlusion", window=WINDOW, stride="stride", baseline="black", scalar="logit")
    },
    "rise": {
        "saliserve": _contender(
            "rise", masks="masks", agreement=None, cells=CELLS, keep=KEEP, baseline="black", estimator="plain"
        )
    },
    "deletion_insertion": {"saliserve": _deletion_and_insertion},
    "road": {"saliserve": _road},
    "receipt": {
        "saliserve": partial(_receipt, FULL),
        "saliserve, receipt=fast": partial(_receipt, FAST),
        "saliserve, deletion and insertion": _deletion_and_insertion_as_metric,
        "saliserve, magnitude, one operator": _magnitude,
    },
}
