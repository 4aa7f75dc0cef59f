"""What a receipt needs to know of the image, the model and the scalar that a map explains.

:class:`service.explain.subject.Subject` is one. It is described here by its shape because the
receipt judges maps from anywhere and knows no explanation method.
"""

from typing import Literal, Protocol

from service.arrays import Image
from service.runtime.device import Device
from service.runtime.plan import Direction, Stage
from service.runtime.program import DeviceTensor
from service.runtime.programs import Programs


class ScoredManifest(Protocol):
    """What a model says about itself."""

    @property
    def task(self) -> Literal["single_label", "multi_label"]:
        """Whether the classes exclude one another."""
        ...


class ScoredModel(Protocol):
    """A classifier on a device."""

    @property
    def height(self) -> int:
        """Rows of its input, in pixels."""
        ...

    @property
    def width(self) -> int:
        """Columns of its input, in pixels."""
        ...

    @property
    def device(self) -> Device:
        """Where it runs."""
        ...

    @property
    def programs(self) -> Programs:
        """The model-free programs on that device."""
        ...

    @property
    def manifest(self) -> ScoredManifest:
        """What it says about itself."""
        ...

    def micro_batch(self, direction: Direction) -> int:
        """How many passes to send at once."""
        ...


class ScoredSubject(Protocol):
    """One image and the scalar of the model's answer whose map is judged."""

    @property
    def model(self) -> ScoredModel:
        """The classifier."""
        ...

    @property
    def pixels(self) -> Image:
        """``[3, H, W]``, RGB in [0, 1], at the model's input size."""
        ...

    @property
    def image(self) -> DeviceTensor:
        """The same, ``[1, 3, H, W]``, on the device."""
        ...

    @property
    def seed(self) -> int:
        """Of everything random."""
        ...

    @property
    def scalars(self) -> Stage:
        """Reduces logits to ``logit [N]`` and ``probability [N]`` of what is explained."""
        ...
