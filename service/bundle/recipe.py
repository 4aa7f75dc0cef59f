"""What has to be told about a model, because its ONNX file cannot say it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from service.bundle.evidence import Evaluation
from service.bundle.manifest import IDENTIFIER, Provenance, Task, check_classes
from service.bundle.original import Preprocessing
from service.errors import BundleBuildError
from service.graphs.axes import AxisOrder
from service.imaging.resize import CenterCrop, ResizePolicy


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to turn an ONNX file into a bundle. Nothing here is ever guessed from values.

    Args:
        name: Name of the model.
        version: Version of the model.
        created: When the bundle is built, with a time zone.
        classes: Labels in the order of the outputs.
        origin: Who published the model, and where.
        licence: SPDX expression of the weights' licence, or ``unknown``.
        classes_origin: Where the class names come from, and their licence.
        task: Whether exactly one class is right, or each on its own.
        resize: How pictures become images of the model's size.
        preprocessing: What the author's pipeline does to an image in [0, 1] before the file sees it.
        size: Height and width, for a file that leaves them open.
        axes: Order of the axes of the file's image, for a file that leaves it open.
        output: Name of the output to use, for a file with several.
        ends_in_probabilities: Whether that output is behind a softmax or sigmoid, which is then cut off.
        feature_layer: Tensor for class activation maps; None takes the last with height and width.
        extras: Graphs to add that a bundle holds on request only: ``guided``, ``attention``.
        provenance: How the model was trained.
        evaluation: How well it classifies.
        tools: Versions of further software that took part, by name.

    Raises:
        BundleBuildError: The name or version cannot be that of a folder, or the classes cannot name targets.
    """

    name: str
    version: str
    created: datetime
    classes: tuple[str, ...]
    origin: str
    licence: str = "unknown"
    classes_origin: str = ""
    task: Task = "single_label"
    resize: ResizePolicy = field(default_factory=CenterCrop)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    size: tuple[int, int] | None = None
    axes: AxisOrder | None = None
    output: str | None = None
    ends_in_probabilities: bool = False
    feature_layer: str | None = None
    extras: tuple[str, ...] = ()
    provenance: Provenance | None = None
    evaluation: Evaluation | None = None
    tools: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, value in (("name", self.name), ("version", self.version)):
            if not IDENTIFIER.fullmatch(value):
                raise BundleBuildError(
                    f"{what} {value!r} is not allowed; expected up to 63 of a-z, 0-9, dot, dash and underscore, the "
                    "first a letter or digit",
                    where=what,
                )
        try:
            check_classes(self.classes, self.task)
        except ValueError as error:
            raise BundleBuildError(str(error), where="classes") from error
