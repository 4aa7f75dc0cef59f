"""What is to be explained: one image, one model, one scalar of its answer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.arrays import Image
from service.runtime.model import LoadedModel
from service.runtime.plan import Stage
from service.runtime.program import DeviceTensor


@dataclass(frozen=True, slots=True)
class Subject:
    """One image and the logit, or the difference of two logits, that a map is to explain.

    Args:
        model: The classifier.
        pixels: ``[3, H, W]``, RGB in [0, 1], at the model's input size.
        image: The same, ``[1, 3, H, W]``, on the device.
        target: The class index whose evidence is sought.
        contrast: If given, explain ``logit(target) - logit(contrast)``: why the one rather than the other.
        seed: Of everything random in the explanation and its receipt.
    """

    model: LoadedModel
    pixels: Image
    image: DeviceTensor
    target: int
    contrast: int | None = None
    seed: int = 0

    @classmethod
    def of(
        cls, model: LoadedModel, pixels: Image, *, target: int, contrast: int | None = None, seed: int = 0
    ) -> "Subject":
        """Upload *pixels* and name the scalar."""
        return cls(model, pixels, model.device.upload(pixels[None]), target, contrast, seed)

    @property
    def cotangent(self) -> NDArray[np.float32]:
        """``[C]``: the scalar is ``sum(cotangent * logits)``."""
        cotangent = np.zeros(len(self.model.classes), np.float32)
        cotangent[self.target] = 1
        if self.contrast is not None:
            cotangent[self.contrast] -= 1
        return cotangent

    def cotangents(self, size: int) -> NDArray[np.float32]:
        """``[size, C]``: the cotangent of every image of a micro-batch."""
        return np.tile(self.cotangent, (size, 1))

    @property
    def scalars(self) -> Stage:
        """Reduces logits to ``logit [N]`` and ``probability [N]`` of what is explained.

        The probability is the target's softmax; where labels are not exclusive its sigmoid; for a
        contrast the sigmoid of the logit difference, the target's probability if only the two were possible.
        """
        programs = self.model.programs
        exclusive = self.contrast is None and self.model.manifest.task == "single_label"
        program = programs.single_label_scalars if exclusive else programs.sigmoid_scalars
        return Stage(program, {"cotangent": self.cotangent[:, None]})
