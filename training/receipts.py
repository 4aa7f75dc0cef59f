"""Maps and receipts of a bundle, by the very code that serves them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.arrays import Image, SaliencyMap
from service.bundle.load import load_bundle
from service.explain.methods import METHODS
from service.explain.subject import Subject
from service.faithfulness.protocol import Protocol
from service.faithfulness.receipt import Receipt, receipt_plan
from service.faithfulness.sparseness import entropy_share, gini
from service.runtime.device import choose_device
from service.runtime.drive import drive
from service.runtime.model import LoadedModel
from service.runtime.programs import Programs
from training.data.pictures import Boxes
from training.localisation import mass_in_boxes

EXPLAINERS: Mapping[str, Mapping[str, Any]] = {
    "gradient": {},
    "grad_cam": {},
    "integrated_gradients": {"steps": 12, "maximum_steps": 12, "baseline": "channel_mean"},
}
"""The gradient is what the attack was guided by; the other two had no part in training."""

TRAINING_PROTOCOL = Protocol(
    name="training-report",
    operators=("gaussian_blur", "channel_mean", "road", "noise", "black"),
    rows=8,
    columns=8,
    steps=5,
    random_orders=3,
    controls=(),
)
"""All operators of the full receipt, with fewer steps, cells and random orders: many images stand for them."""


LEAST_AT_STAKE = 0.1
"""Below this a gain is a ratio of two small numbers, and one picture would decide a mean. A receipt's own verdict
asks for less, because it tests against chance and divides by nothing."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One explainer on one image.

    Args:
        gini: Of magnitudes.
        entropy_share: Of magnitudes.
        mass_in_boxes: Share of the positive map inside the boxes; None without boxes.
        verdict: Of the receipt.
        gains: SRG over the probability at stake, by operator; where less than
            :data:`LEAST_AT_STAKE` is at stake an operator is left out.
        z_scores: Log-odds SRG in deviations of chance, likewise.
    """

    gini: float | None
    entropy_share: float | None
    mass_in_boxes: float | None
    verdict: str
    gains: Mapping[str, float]
    z_scores: Mapping[str, float]


def load_model(folder: Path) -> LoadedModel:
    """Load a bundle on one CPU thread, and measure which micro-batch is fastest."""
    device = choose_device("cpu", threads=1)
    model = LoadedModel(load_bundle(folder), device, Programs(device))
    model.warm_up()
    return model


def measure_maps(
    model: LoadedModel, images: Sequence[Image], labels: Sequence[int], boxes: Sequence[Boxes | None]
) -> dict[str, list[Measured]]:
    """Explain the true class of every image by every explainer, and judge every map.

    Args:
        model: The bundle.
        images: ``[3, H, W]`` each.
        labels: The true classes; the same targets for every model that is compared.
        boxes: Of the object on each image; None where it is not or is not known.
    """
    found: dict[str, list[Measured]] = {name: [] for name in EXPLAINERS}
    for number, (pixels, label, box) in enumerate(zip(images, labels, boxes, strict=True)):
        subject = Subject.of(model, pixels, target=label, seed=number)
        for name in EXPLAINERS:
            values = explain(subject, name)
            receipt = drive(receipt_plan(subject, values, protocol=TRAINING_PROTOCOL), model)
            found[name].append(_measured(values, receipt, box))
    return found


def explain(subject: Subject, name: str) -> SaliencyMap:
    """Make one map."""
    method = METHODS[name]
    return drive(method.plan(subject, method.parameters(**EXPLAINERS[name])), subject.model).map


def _measured(values: SaliencyMap, receipt: Receipt, box: Boxes | None) -> Measured:
    telling = [panel for panel in receipt.panels if panel.at_stake >= LEAST_AT_STAKE]
    return Measured(
        gini=gini(values),
        entropy_share=entropy_share(values),
        mass_in_boxes=None if box is None else mass_in_boxes(values, box),
        verdict=receipt.verdict.value,
        gains={panel.operator.name: panel.map.srg / panel.at_stake for panel in telling},
        z_scores={panel.operator.name: panel.chance.z_score(panel.map.log_odds_srg) for panel in telling},
    )
