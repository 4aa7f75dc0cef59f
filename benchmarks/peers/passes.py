"""How many images a network classifies, whoever asks it."""

from typing import Any

from torch import nn


class Passes:
    """Counts from the moment it is made.

    Args:
        network: Whose first input is the batch.
    """

    def __init__(self, network: nn.Module) -> None:
        self._images = 0
        network.register_forward_pre_hook(self._count)

    def _count(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._images += len(inputs[0])

    def taken(self) -> int:
        """Say how many images there were, and begin again at 0."""
        images, self._images = self._images, 0
        return images
