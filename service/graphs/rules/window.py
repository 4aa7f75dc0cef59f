"""Where a sliding window lies: the geometry that convolution and pooling share."""

from dataclasses import dataclass, replace

from service.graphs.step import Step
from service.graphs.tape import Tensor

ONE_CUT_OFF = -1
"""The least automatic padding with one meaning: the last input is read by nobody. Below it, ONNX Runtime's Conv and
AveragePool cut off at the front too, each by a rule of its own, and PyTorch and TensorFlow do not."""


@dataclass(frozen=True, slots=True)
class Window:
    """A window that slides over the spatial axes; every tuple has one entry per spatial axis.

    Args:
        kernel: Taps.
        strides: Steps between neighbouring outputs.
        dilations: Steps between neighbouring taps.
        before: Padding before the first input.
        after: Padding after the last input.
        inputs: Input lengths.
        outputs: Output lengths.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def axes(self) -> int:
        """The number of spatial axes."""
        return len(self.kernel)

    @property
    def extent(self) -> tuple[int, ...]:
        """Inputs from the first tap to the last, both counted."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    @property
    def overhang(self) -> tuple[int, ...]:
        """Padded inputs that no window reaches; negative where ``ceil_mode`` lets the last one stick out."""
        return tuple(
            self.inputs[i]
            + self.before[i]
            + self.after[i]
            - ((self.outputs[i] - 1) * self.strides[i] + self.extent[i])
            for i in range(self.axes)
        )

    @property
    def dense(self) -> "Window":
        """The window at every place, with stride 1."""
        ones = (1,) * self.axes
        lengths = zip(self.outputs, self.strides, self.overhang, strict=True)
        return replace(self, strides=ones, outputs=tuple((o - 1) * s + 1 + rest for o, s, rest in lengths))


def window_of(step: Step, kernel: tuple[int, ...]) -> Window:
    """Read a node's window from its attributes.

    Args:
        step: A convolution or pooling node, with spatial axes from 2 on.
        kernel: Taps per spatial axis.

    Returns:
        The window, with automatic padding resolved to numbers.

    Raises:
        UnsupportedOperatorError: A spatial length follows the batch, or automatic padding is negative.
    """
    axes = len(kernel)
    inputs = spatial_lengths(step, step.x)
    outputs = spatial_lengths(step, step.y)
    strides = tuple(step.integers("strides", [1] * axes))
    dilations = tuple(step.integers("dilations", [1] * axes))
    pads = step.integers("pads", [0] * (2 * axes))
    before, after = tuple(pads[:axes]), tuple(pads[axes:])
    automatic = step.text("auto_pad", "NOTSET")
    if automatic.startswith("SAME"):
        extent = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
        needed = [(outputs[i] - 1) * strides[i] + extent[i] - inputs[i] for i in range(axes)]
        if min(needed) < ONE_CUT_OFF:
            raise step.unsupported(
                "its stride skips so much that automatic padding would cut off at both ends; stated pads were expected"
            )
        total = [max(count, 0) for count in needed]
        smaller, larger = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
        before, after = (smaller, larger) if automatic == "SAME_UPPER" else (larger, smaller)
    return Window(kernel, strides, dilations, before, after, inputs, outputs)


def spatial_lengths(step: Step, tensor: Tensor) -> tuple[int, ...]:
    """Give the lengths of a tensor's axes from 2 on.

    Args:
        step: The node, for the message.
        tensor: One of its inputs or outputs.

    Returns:
        The lengths.

    Raises:
        UnsupportedOperatorError: One of them follows the batch.
    """
    known = tuple(length for length in tensor.shape[2:] if length is not None)
    if len(known) < tensor.rank - 2:
        raise step.unsupported("height or width follows the batch; fixed ones were expected")
    return known
