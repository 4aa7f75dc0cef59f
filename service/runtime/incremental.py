"""Forward passes over images that differ from one within a window, for the price of what changes."""

import logging
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from service.arrays import Image
from service.graphs.incremental.crops import Crops, whole
from service.graphs.incremental.cuts import Cut, cut
from service.graphs.incremental.write import incremental_graph
from service.graphs.session import RUNTIME_ERRORS
from service.runtime.device import Device
from service.runtime.plan import Pieces
from service.runtime.program import DeviceTensor, Operand, Program

log = logging.getLogger(__name__)

WORTHWHILE: Final = 0.85
"""Share of a whole pass up to which windows are computed anew; the estimate is good to a tenth or so."""

AGREEMENT: Final = 1e-3
"""Over the largest logit. Other shapes of the same sums give 1e-6, a wrong place about 1."""


class IncrementalPasses:
    """The graph of a classifier that takes pieces, and what pieces it has to be given.

    Args:
        cut: Of the classifier.
        program: The graph on a device.
        device: Which.
    """

    def __init__(self, cut: Cut, program: Program, device: Device) -> None:
        self.program = program
        self._cut, self._device = cut, device
        _, self._height, self._width = cut.stretches[0].shape
        self._share = lru_cache(maxsize=64)(cut.share)

    def pays(self, height: int, width: int) -> bool:
        """Say whether windows of so many pixels cost clearly less than whole passes.

        It is concluded from the graph, not measured, so that answers do not depend on the load of a machine.
        """
        return self._share(height, width) <= WORTHWHILE

    def work(self, height: int, width: int) -> float:
        """Give the work for such a window over that for one of :meth:`sample`."""
        return self._share(height, width) / self._share(*self._cut.usual)

    def pixels(self, image: Image, replacement: Image) -> DeviceTensor:
        """Upload an image and what windows show of another, ``[3,H,W]`` each."""
        return self._device.upload(np.concatenate([_table(image), _table(replacement)]))

    def whole(self, pixels: DeviceTensor) -> Pieces:
        """Take the whole image, as one piece; the answer holds what :meth:`pieces` needs."""
        return Pieces({"base_0": pixels, **whole(self._cut)}, 1 / self._share(*self._cut.usual))

    def pieces(
        self,
        pixels: DeviceTensor,
        tables: Mapping[str, DeviceTensor],
        windows: NDArray[np.int64],
        size: tuple[int, int],
    ) -> Callable[[slice], Pieces]:
        """Prepare the recomputation of windows.

        Args:
            pixels: The image, and what windows show.
            tables: What the graph answered for the whole image.
            windows: ``[N,4]``: top, left, bottom, right in pixels, the last two exclusive; they may overhang.
            size: Height and width of the largest, for the estimate of the work.

        Returns:
            What makes the pieces for some of them.
        """
        bases: dict[str, Operand] = {"base_0": pixels}
        for number, _ in enumerate(self._cut.stretches, start=1):
            bases[f"base_{number}"] = tables[f"table_{number}"]
        crops, work = Crops(self._cut, windows), self.work(*size)
        return lambda chosen: Pieces({**bases, **crops.places(chosen)}, work)

    def sample(self, count: int) -> Pieces:
        """Make the pieces of some usual windows, to measure how fast they are."""
        grey = np.full((3, self._height, self._width), 0.5, np.float32)
        tables = {
            f"table_{number}": self._device.upload(
                np.zeros((math.prod(one.made[1:]), one.made[0]), np.float32)
            )
            for number, one in enumerate(self._cut.stretches, start=1)
        }
        windows = self._some_windows(count)
        return self.pieces(self.pixels(grey, grey), tables, windows, self._cut.usual)(slice(0, count))

    def agrees(self, classify: Program, cover: Program) -> bool:
        """Compare the logits of some windows with those of whole passes, on noise.

        Args:
            classify: The classifier's own graph.
            cover: The program that covers windows.

        Raises:
            RuntimeError: ONNX Runtime cannot run the graph; it has other types for that, too.
        """
        image, shown = np.random.default_rng(0).random((2, 3, self._height, self._width), dtype=np.float32)
        windows, pixels = self._some_windows(2), self.pixels(image, shown)
        images = cover({"image": image[None], "replacement": shown[None], "windows": windows})
        expected = classify({"image": images["images"]})["logits"].numpy()
        tables = self.program(self.whole(pixels).inputs)
        pieces = self.pieces(pixels, tables, windows, self._cut.usual)(slice(0, len(windows)))
        found = self.program(pieces.inputs, ("logits",))["logits"].numpy()
        return bool(np.abs(found - expected).max() <= AGREEMENT * np.abs(expected).max())

    def _some_windows(self, count: int) -> NDArray[np.int64]:
        """Place windows in corners and in between."""
        height, width = self._cut.usual
        random = np.random.default_rng(1)
        top = random.integers(0, self._height - height + 1, count)
        left = random.integers(0, self._width - width + 1, count)
        top[:2], left[:2] = [0, self._height - height][:count], [self._width - width, 0][:count]
        return np.stack([top, left, top + height, left + width], axis=1)


def incremental_passes(
    model: ModelProto, device: Device, classify: Program, cover: Program, *, weights: bytes = b""
) -> IncrementalPasses | None:
    """Make the graph of a classifier that computes windows anew, and see that it does what whole passes do.

    Args:
        model: The classifier.
        device: Where it runs.
        classify: The classifier, compiled.
        cover: The program that covers windows.
        weights: The file of tensors that the classifier refers to.

    Returns:
        None where nothing would be gained with windows of the usual size, or where it does not agree: then whole
        passes have to do, and the log says so.
    """
    found = cut(model)
    if found is None or found.share(*found.usual) > WORTHWHILE:
        return None
    try:
        program = Program(incremental_graph(model, found).SerializeToString(), device, weights=weights)
        passes = IncrementalPasses(found, program, device)
        if passes.agrees(classify, cover):
            return passes
        log.error("recomputing windows gives other logits than whole passes do; occlusion takes whole passes")
    except RUNTIME_ERRORS:
        log.exception("ONNX Runtime cannot recompute windows of this model; occlusion takes whole passes")
    return None


def _table(image: Image) -> NDArray[np.float32]:
    """Bring ``[3,H,W]`` to ``[H*W,3]``."""
    return np.ascontiguousarray(image.reshape(len(image), -1).T)
