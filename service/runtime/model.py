"""A bundle on a device: its graphs compiled, warmed and measured, ready to answer micro-batches."""

from collections.abc import Mapping
from dataclasses import replace

from onnx import ModelProto

from service.bundle.load import Bundle
from service.bundle.manifest import ATTENTION, CLASSIFY, FEATURES, GRADIENT, GUIDED, WEIGHTS, Manifest
from service.runtime.calibration import Pace, TimedModel, pace_plan
from service.runtime.device import Device
from service.runtime.drive import drive
from service.runtime.incremental import incremental_passes
from service.runtime.plan import Answer, Direction, MicroBatch, Pieces, Plan, Stage
from service.runtime.program import DeviceTensor, Operand, Program
from service.runtime.programs import Programs

GRAPH_FILES: Mapping[Direction, str] = {
    Direction.FORWARD: CLASSIFY,
    Direction.GRADIENT: GRADIENT,
    Direction.FEATURES: FEATURES,
    Direction.GUIDED: GUIDED,
    Direction.ATTENTION: ATTENTION,
}


_GRIDS = {Direction.FEATURES: "features", Direction.ATTENTION: "relevance"}


class LoadedModel:
    """A classifier that answers micro-batches.

    Calls share no state; the scheduler is what keeps the device to one at a time.

    Args:
        bundle: Verified files on disk.
        device: Where the graphs run.
        programs: The model-free programs, compiled for the same device.

    Raises:
        DigestError: A file has changed since the bundle was verified.
    """

    def __init__(self, bundle: Bundle, device: Device, programs: Programs) -> None:
        self.manifest: Manifest = bundle.manifest
        self.sha256: str = bundle.sha256
        self.device = device
        self.programs = programs
        self.classes: tuple[str, ...] = tuple(bundle.manifest.classes)
        self.height: int = bundle.manifest.input.height
        self.width: int = bundle.manifest.input.width
        weights = bundle.read(WEIGHTS) if WEIGHTS in bundle.manifest.files else b""
        self._graphs = {
            direction: Program(bundle.read(name), device, weights=weights)
            for direction, name in GRAPH_FILES.items()
            if name in bundle.manifest.files
        }
        self.incremental = incremental_passes(
            ModelProto.FromString(bundle.read(CLASSIFY)),
            device,
            self._graphs[Direction.FORWARD],
            programs.windows,
            weights=weights,
        )
        if self.incremental is not None:
            self._graphs[Direction.INCREMENTAL] = self.incremental.program
        self._paces: dict[Direction, Pace] = {}

    @property
    def name(self) -> str:
        """Of the bundle."""
        return self.manifest.name

    @property
    def directions(self) -> frozenset[Direction]:
        """The graphs that this model has; a classifier that cannot be differentiated has only FORWARD."""
        return frozenset(self._graphs)

    def why_not(self, direction: Direction) -> str:
        """Say why this model lacks a direction; empty if it does not."""
        if direction in self._graphs:
            return ""
        if direction in {Direction.GUIDED, Direction.ATTENTION}:
            return (
                f"the bundle holds no {GRAPH_FILES[direction]}; `python -m service.bundle rebuild --extra {direction} "
                "FOLDER` adds it, if the model allows it"
            )
        manifest = self.manifest
        return (manifest.gradient if direction is Direction.GRADIENT else manifest.features).reason

    def grid_size(self, direction: Direction) -> tuple[int, int]:
        """Height and width of the maps that FEATURES or ATTENTION answers with."""
        *_, height, width = self._graphs[direction].shapes[_GRIDS[direction]]
        return height, width

    def warm_up(self) -> None:
        """Measure the pace of every direction; the first passes of a session are slow."""
        timed = TimedModel(self)
        drive(self.warming_plan(timed), timed)

    def warming_plan(self, timed: TimedModel) -> Plan[None]:
        """Do the same as a plan, for a device that others use meanwhile.

        Args:
            timed: Of this model; the plan must be run by it.
        """
        for direction in self._graphs:
            self._paces[direction] = yield from pace_plan(timed, direction)

    def micro_batch(self, direction: Direction) -> int:
        """How many passes of *direction* to send at once: the fastest of the sizes measured."""
        return self._paces[direction].micro_batch if direction in self._paces else 1

    def forwards_per_pass(self, direction: Direction) -> float:
        """What one pass of *direction* costs in forward passes, as measured; 1 before warm-up."""
        if direction not in self._paces:
            return 1.0
        return self._paces[direction].pass_seconds / self._paces[Direction.FORWARD].pass_seconds

    @property
    def pass_seconds(self) -> float:
        """How long a forward pass takes on an idle device, as measured; 0 before warm-up."""
        pace = self._paces.get(Direction.FORWARD)
        return 0.0 if pace is None else pace.pass_seconds

    def seconds(self, forwards: float) -> float:
        """How long so many forward passes take on an idle device, as measured; 0 before warm-up."""
        return forwards * self.pass_seconds

    def shrink(self, batch: MicroBatch) -> bool:
        """Halve the micro-batches of a direction, one of which was too large for the device's memory.

        Another request's plan may have done so meanwhile. They stay so until the next start.

        Returns:
            Whether they are smaller than *batch* now.
        """
        pace = self._paces.get(batch.direction)
        if pace is None or batch.size == 1:
            return False
        if batch.size <= pace.micro_batch:
            self._paces[batch.direction] = replace(pace, micro_batch=batch.size // 2)
        return True

    def cost(self, batch: MicroBatch) -> float:
        """What a micro-batch costs, in forward passes."""
        work = batch.images.work if isinstance(batch.images, Pieces) else 1.0
        return batch.size * work * self.forwards_per_pass(batch.direction)

    def run(self, batch: MicroBatch) -> Answer:
        """Make the images, classify them, reduce the answers; nothing leaves the device in between."""
        graph = self._graphs[batch.direction]
        if isinstance(batch.images, Pieces):
            answers = graph(batch.images.inputs, None if batch.answer is None else ("logits",))
            return answers if batch.answer is None else _reduce(batch.answer, answers)
        made = _make_images(batch.images)
        inputs: dict[str, Operand] = {"image": made["images"]}
        if batch.cotangent is not None:
            inputs["cotangent"] = batch.cotangent
        answers = graph(inputs)
        return answers if batch.answer is None else _reduce(batch.answer, {**made, **answers})


def _make_images(images: Stage | DeviceTensor) -> Answer:
    if isinstance(images, Stage):
        return images.program(images.inputs)
    return {"images": images}


def _reduce(stages: Stage | tuple[Stage, ...], known: Answer) -> Answer:
    """Run the stages one after the other; each takes by name what is known by then."""
    reduced: dict[str, DeviceTensor] = {}
    for stage in (stages,) if isinstance(stages, Stage) else stages:
        at_hand = {**known, **reduced}
        taken = {name: tensor for name, tensor in at_hand.items() if name in stage.program.inputs}
        reduced |= stage.program({**taken, **stage.inputs})
    return reduced
