"""The ONNX file that somebody brings, run as its author would, to compare the prepared graph with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, inliner

from service.arrays import Image
from service.errors import BundleBuildError
from service.graphs.axes import AxisOrder, axis_orders
from service.graphs.interface import closing_node
from service.graphs.session import open_session


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What the author's own pipeline does to an image before the file sees it: ``(image - mean) / std``.

    Args:
        mean: Per channel, for RGB in [0, 1].
        std: Likewise.

    Raises:
        BundleBuildError: A number is not finite, or a deviation is not positive.
    """

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if not (np.isfinite([*self.mean, *self.std]).all() and min(self.std) > 0):
            raise BundleBuildError(
                f"mean {self.mean} and std {self.std} are no normalisation; expected finite numbers, std positive",
                where="std",
            )

    def __call__(self, image: Image) -> Image:
        """Normalise one image ``[3, H, W]``."""
        mean, std = (np.array(values, np.float32)[:, None, None] for values in (self.mean, self.std))
        return ((image - mean) / std).astype(np.float32)


class OriginalClassifier:
    """The file as it came, on ONNX Runtime, with nothing of ours in it.

    Args:
        model: The file's content, weights inside.
        preprocessing: What happens outside it.
        output: Name of the output to read; None if there is only one.
        axes: The order of its image's axes; None if the shape tells.
    """

    def __init__(
        self,
        model: ModelProto,
        preprocessing: Preprocessing,
        output: str | None,
        axes: AxisOrder | None = None,
    ) -> None:
        self._session = open_session(model, optimise=False)  # what it says, not what it is optimised to
        [self._input] = self._session.get_inputs()
        [self._axes] = axis_orders(self._input.shape, axes)
        self._output = output or self._session.get_outputs()[0].name
        self._preprocessing = preprocessing
        self.last_operator = last_operator(model, output)

    def __call__(self, image: Image) -> NDArray[np.float32]:
        """Classify one image ``[3, H, W]``; give ``[C]``, logits or probabilities as the file has them."""
        batch = self._preprocessing(image)[None]
        if self._axes == "NHWC":
            batch = batch.transpose(0, 2, 3, 1)
        repeats = self._input.shape[0] if isinstance(self._input.shape[0], int) else 1
        feed = np.ascontiguousarray(batch.repeat(repeats, 0))
        [answer] = self._session.run([self._output], {self._input.name: feed})
        row: NDArray[np.float32] = answer.reshape(repeats, -1)[0]
        return row


def last_operator(model: ModelProto, output: str | None) -> str:
    """Name the operator that computes an output; empty if none does.

    Args:
        model: The file's content.
        output: Name of the output; None if there is only one.

    Returns:
        The operator, such as ``Softmax``.
    """
    flat = inliner.inline_local_functions(model).graph
    node = closing_node(flat, output or flat.output[0].name)
    return "" if node is None else str(node.op_type)
