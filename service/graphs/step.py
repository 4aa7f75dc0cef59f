"""One node on the way back: what a derivative rule sees, and how it says what it found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from onnx import NodeProto

from service.errors import UnsupportedOperatorError
from service.graphs.tape import Tape, Tensor, attributes_of

Cotangents: TypeAlias = "tuple[Tensor | None, ...]"
"""A rule's answer, one entry per input; None where nothing flows back. Inputs behind the last entry must not depend
on what is differentiated for."""


@dataclass(frozen=True, slots=True)
class Step:
    """A node of the classifier with the cotangents of its outputs.

    Args:
        tape: Where the rule writes.
        node: The node.
        cotangents: One per output; None where the result does not depend on that output.
        wanted: Names of the tensors that depend on what is differentiated for.
    """

    tape: Tape
    node: NodeProto
    cotangents: Cotangents
    wanted: frozenset[str]

    @property
    def dy(self) -> Tensor:
        """The cotangent of the only output that has a derivative, the first."""
        cotangent = self.cotangents[0]
        if cotangent is None or any(self.cotangents[1:]):
            raise self.unsupported("a secondary output is used, which has no derivative")
        return cotangent

    @property
    def x(self) -> Tensor:
        """The first input."""
        return self.input(0)

    @property
    def y(self) -> Tensor:
        """The first output."""
        return self.tape.tensor(self.node.output[0])

    def has(self, index: int) -> bool:
        """Tell whether an optional input is there."""
        return len(self.node.input) > index and bool(self.node.input[index])

    def input(self, index: int) -> Tensor:
        """Give an input by its position."""
        return self.tape.tensor(self.node.input[index])

    def needs(self, index: int) -> bool:
        """Tell whether anybody asks for this input's cotangent."""
        return self.has(index) and self.node.input[index] in self.wanted

    def integer(self, name: str, default: int) -> int:
        """Read an integer attribute."""
        found = attributes_of(self.node).get(name)
        return default if found is None else found.i

    def integers(self, name: str, default: Sequence[int]) -> list[int]:
        """Read an attribute that is a list of integers."""
        found = attributes_of(self.node).get(name)
        return list(default) if found is None else list(found.ints)

    def number(self, name: str, default: float) -> float:
        """Read a real attribute; ONNX stores them, and means its defaults, in float32."""
        found = attributes_of(self.node).get(name)
        return float(np.float32(default)) if found is None else found.f

    def text(self, name: str, default: str) -> str:
        """Read a string attribute."""
        found = attributes_of(self.node).get(name)
        return default if found is None else found.s.decode()

    def constant_integers(self, index: int, attribute: str = "") -> list[int] | None:
        """Read integers that older operator sets keep in an attribute and newer ones in an input.

        Args:
            index: Position of the input.
            attribute: Name of the attribute; empty if there never was one.

        Returns:
            The integers; None if they are absent.

        Raises:
            UnsupportedOperatorError: The input is computed, so it is not known while building.
        """
        found = attributes_of(self.node).get(attribute)
        if found is not None:
            return list(found.ints)
        if not self.has(index):
            return None
        value = self.input(index).value
        if value is None:
            raise self.unsupported(f"input {index} is computed; a constant was expected")
        return [int(entry) for entry in value.reshape(-1)]

    def unsupported(self, reason: str) -> UnsupportedOperatorError:
        """Make the error that says what of this node has no derivative."""
        return UnsupportedOperatorError(self.node.op_type, self.node.name, reason)


Rule: TypeAlias = Callable[[Step], Cotangents]
"""From the cotangents of a node's outputs to those of its inputs."""

RULES: dict[str, Rule] = {}
"""The derivative of every operator that has one, by the operator's name."""


def rule(*operators: str) -> Callable[[Rule], Rule]:
    """Register a function as the derivative of operators."""

    def register(function: Rule) -> Rule:
        for operator in operators:
            RULES[operator] = function
        return function

    return register
