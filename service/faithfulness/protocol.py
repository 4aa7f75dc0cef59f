"""How a receipt is made: every choice on which its numbers depend, named and versioned."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

VERSION = "3"
"""Raised whenever a change could move a number of a receipt; receipts of different versions do not compare."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where verdicts part.

    Args:
        faithful: Largest one-sided p-value of the mean log-odds SRG of a map called faithful.
        noticeable: Share of random maps that may be called better than random; half of it is spent on the mean
            over the operators, half on single ones. Also the largest p-value of what a faithful map says beyond
            trivial ones.
        least_gain: Smallest share of the probability at stake that a faithful map's mean SRG must reach; a
            smaller gain may be real and is of no use.
        most_trivial: Largest share of a faithful map's ranks that trivial maps may explain.
        least_at_stake: Smallest fall of the probability, from the whole image to none of it, that can be scored.
    """

    faithful: float = 0.005
    noticeable: float = 0.05
    least_gain: float = 0.05
    most_trivial: float = 0.9
    least_at_stake: float = 0.02


@dataclass(frozen=True, slots=True)
class Protocol:
    """A recipe for receipts.

    Args:
        name: As callers ask for it.
        operators: Names of removal operators, in the order in which they are run: a deadline cuts the last.
        rows: Of cells; an image with fewer pixels has one per pixel.
        columns: Of cells.
        steps: Strides from the whole image to none of it.
        random_orders: Per operator; each operator draws its own.
        controls: Names of trivial maps to measure. All of them are taken out of the map in any case.
        spares: Names of operators that take the place of circular ones, in this order.
        thresholds: Where verdicts part.
    """

    name: str
    operators: tuple[str, ...]
    rows: int
    columns: int
    steps: int
    random_orders: int
    controls: tuple[str, ...]
    spares: tuple[str, ...] = ()
    thresholds: Thresholds = Thresholds()
    version: str = VERSION

    def for_map(self, made_with: Collection[str]) -> "Protocol":
        """Put spares in the place of operators with which a map was made; where there are none, leave them.

        Examples:
            >>> FAST.for_map(["black"]).operators
            ('noise', 'gaussian_blur')
        """
        spares = (name for name in self.spares if name not in {*self.operators, *made_with})
        operators = tuple(next(spares, name) if name in made_with else name for name in self.operators)
        return replace(self, operators=operators)

    @property
    def forwards(self) -> int:
        """Forward passes of one receipt, at most.

        Examples:
            >>> FAST.forwards
            63
        """
        # The map, what it says beyond the controls, chance and the controls: two curves each,
        # without their ends, which all curves of an operator share.
        orders = 2 + self.random_orders + len(self.controls)
        return 1 + len(self.operators) * (1 + 2 * (self.steps - 1) * orders)


FAST = Protocol(
    name="fast",
    operators=("noise", "black"),
    rows=14,
    columns=14,
    steps=4,
    random_orders=3,
    controls=(),
    spares=("gaussian_blur", "channel_mean", "road"),
)
"""Within 64 forward passes, that of the whole image included.

Chance strays least under these two operators, because they leave nothing of what they remove, and so a few
random orders go far: of all pairs they told Grad-CAM from chance most often, on 11 of 11 photographs where blur and
mean colour did on 9. The full protocol has the gentler ones.
"""

FULL = Protocol(
    name="full",
    operators=("noise", "black", "gaussian_blur", "channel_mean", "road"),
    rows=14,
    columns=14,
    steps=10,
    random_orders=6,
    controls=("edges", "centre", "contrast"),
)

PROTOCOLS: Mapping[str, Protocol] = {protocol.name: protocol for protocol in (FAST, FULL)}
