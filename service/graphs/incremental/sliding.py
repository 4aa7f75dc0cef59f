"""What an operator that slides over an axis does to positions along it."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Positions: TypeAlias = NDArray[np.int64]
"""One end of many spans, first position included or last excluded."""


@dataclass(frozen=True, slots=True)
class Sliding:
    """Output i is made of inputs ``i * stride - before`` to ``i * stride - before + extent``, the last excluded.

    Args:
        extent: Inputs per output, holes of a dilation included.
        stride: Inputs from one output to the next.
        before: Length of the border in front of the first input.
        after: Length of the border behind the last; negative where the last inputs are never read.

    Examples:
        >>> convolution = Sliding(extent=3, stride=2, before=1, after=0)
        >>> convolution.length(224)
        112
        >>> first, last = convolution.touched(np.array([8]), np.array([9]), 224)  # input 8 is in outputs 4 and ...
        >>> first.item(), last.item()
        (4, 5)
    """

    extent: int = 1
    stride: int = 1
    before: int = 0
    after: int = 0

    @classmethod
    def observed(cls, extent: int, stride: int, before: int, lengths: tuple[int, int]) -> "Sliding":
        """Conclude the border behind from the lengths of input and output, whatever rule of rounding gave them."""
        given, made = lengths
        return cls(extent, stride, before, (made - 1) * stride + extent - before - given)

    def length(self, length: int) -> int:
        """Give the number of outputs of so many inputs."""
        return (length + self.before + self.after - self.extent) // self.stride + 1

    def touched(self, first: Positions, last: Positions, length: int) -> tuple[Positions, Positions]:
        """Give the outputs into which any of some inputs goes.

        Args:
            first: Of the inputs.
            last: Excluded. Spans without any input touch nothing.
            length: Number of inputs, whose outputs alone count.
        """
        made = self.length(length)
        begin = -((self.extent - 1 - first - self.before) // self.stride)
        end = (last - 1 + self.before) // self.stride + 1
        begin, end = np.clip(begin, 0, made), np.clip(end, 0, made)
        return begin, np.where(last > first, np.maximum(begin, end), begin)

    def margins(self, before: int, after: int, length: int) -> tuple[int, int]:
        """Count the outputs at both ends that are made of any but the inner inputs.

        Args:
            before: Inputs at the beginning that are not to be trusted; the border is not, either.
            after: Likewise at the end.
            length: Number of inputs.

        Returns:
            Outputs at the beginning and at the end.
        """
        begin = -(-(before + self.before) // self.stride)
        end = (length - after - self.extent + self.before) // self.stride + 1
        return begin, max(self.length(length) - end, 0)
