"""The unit in which training work is counted: passes of one whole batch through the network."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Passes:
    """Forward and backward passes.

    A backward pass that stops at the image costs about half of one that also reaches the weights,
    so the two are counted apart.

    Args:
        forward: Forward passes.
        backward_to_image: Backward passes for the image's gradient alone.
        backward_to_weights: Backward passes for the weights' gradient.

    Examples:
        >>> Passes(forward=1) + Passes(forward=2, backward_to_image=1)
        Passes(forward=3, backward_to_image=1, backward_to_weights=0)
    """

    forward: int = 0
    backward_to_image: int = 0
    backward_to_weights: int = 0

    def __add__(self, other: "Passes") -> "Passes":
        return Passes(
            self.forward + other.forward,
            self.backward_to_image + other.backward_to_image,
            self.backward_to_weights + other.backward_to_weights,
        )
