"""The graph that is being written: new nodes behind the classifier's own, each computation once."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from service.graphs.facts import Facts, Shape

Attribute: TypeAlias = int | float | str | list[int] | list[float]
"""The attribute values that our nodes need."""

MAP_AXES = 4
"""Batch, channels, height, width."""

ELEMENTWISE = frozenset({"Add", "BatchNormalization", "Div", "Mul", "Relu", "Sigmoid", "Sub", "Tanh"})
"""Operators that we write between tensors of one shape."""


class Tape:
    """Appends nodes and constants to a graph and hands out their results as tensors.

    The same operator on the same inputs with the same attributes is written once.

    Args:
        model: The graph to extend, in place. No node of it is changed but by :meth:`extra_output`.
        facts: Shapes and types of its tensors.
        dtype: The element type of the real constants that are added.
        prefix: What the names of new tensors start with.
    """

    def __init__(self, model: ModelProto, facts: Facts, dtype: np.dtype[np.generic], prefix: str) -> None:
        self.graph: GraphProto = model.graph
        self.facts = facts
        self.dtype = dtype
        self.producers: dict[str, NodeProto] = {
            name: node for node in self.graph.node for name in node.output if name
        }
        self._initialisers: dict[str, TensorProto] = {t.name: t for t in self.graph.initializer}
        self._values: dict[str, NDArray[np.generic]] = {}
        self._operands: dict[str, tuple[str, tuple[Tensor | None, ...]]] = {}
        self._written: dict[tuple[object, ...], tuple[Tensor, ...]] = {}
        self._declared = {entry.name for entry in [*self.graph.input, *self.graph.value_info]}
        self._taken = set(facts.shapes) | {entry.name for entry in self.graph.input}
        self._prefix = prefix
        self._count = 0

    def tensor(self, name: str) -> "Tensor":
        """Wrap a tensor of the classifier by its name."""
        shape = self.facts.shapes.get(name, ())
        return Tensor(self, name, shape[1] if len(shape) == MAP_AXES else None)

    def value(self, name: str) -> NDArray[np.generic] | None:
        """Look up a constant's value; None for anything that is computed."""
        if name not in self._values:
            if name not in self._initialisers:
                return None
            self._values[name] = numpy_helper.to_array(self._initialisers[name])
        return self._values[name]

    def shape(self, name: str) -> Shape:
        """Look up the shape of a tensor of the classifier or of a constant."""
        known = self.facts.shapes.get(name)
        return tuple(self._initialisers[name].dims) if known is None else known

    def constant(self, value: ArrayLike, dtype: np.dtype[np.generic] | type[np.generic]) -> "Tensor":
        """Add a constant, named after its content: equal constants of two graphs share a name."""
        array = np.array(value, dtype=dtype, order="C")
        content = f"{array.dtype}{array.shape}".encode() + array.tobytes()
        name = f"constant/{hashlib.sha256(content).hexdigest()[:16]}"
        if name not in self._initialisers:
            self.graph.initializer.append(numpy_helper.from_array(array, name))
            self._initialisers[name] = self.graph.initializer[-1]
        return Tensor(self, name)

    def real(self, value: ArrayLike) -> "Tensor":
        """Add a constant of the classifier's own element type."""
        return self.constant(value, self.dtype)

    def integers(self, values: Iterable[int]) -> "Tensor":
        """Add an int64 vector, as shapes, axes and pads are."""
        return self.constant(list(values), np.int64)

    def apply(self, operator: str, *inputs: "Tensor | None", **attributes: Attribute) -> "Tensor":
        """Write a node with one output.

        Args:
            operator: Name of a standard operator.
            inputs: Its inputs; None leaves an optional one out.
            attributes: Its attributes.

        Returns:
            Its output.
        """
        return self.apply_many(operator, *inputs, outputs=1, **attributes)[0]

    def apply_many(
        self, operator: str, *inputs: "Tensor | None", outputs: int, **attributes: Attribute
    ) -> "tuple[Tensor, ...]":
        """Write a node with several outputs; as :meth:`apply` otherwise."""
        names = ["" if tensor is None else tensor.name for tensor in inputs]
        key = (operator, *names, outputs, repr(sorted(attributes.items())))
        if key not in self._written:
            results = [self._new_name(operator) for _ in range(outputs)]
            node = helper.make_node(operator, names, results, name=results[0])
            node.attribute.extend(helper.make_attribute(*entry) for entry in attributes.items())
            self.graph.node.append(node)
            self._operands[results[0]] = (operator, inputs)
            self._written[key] = tuple(Tensor(self, name, _channels(operator, inputs)) for name in results)
        return self._written[key]

    def operands_of(self, tensor: "Tensor", operator: str) -> "tuple[Tensor | None, ...]":
        """Give what a tensor was computed from, if it was written as the result of an operator; else nothing."""
        found, operands = self._operands.get(tensor.name, ("", ()))
        return operands if found == operator else ()

    def declare(self, tensor: "Tensor", like: str) -> None:
        """State that a new tensor has the shape of one of the classifier's.

        ONNX Runtime cannot follow shapes through every node, and keeps maps in blocks only where it can tell that
        two of them have the same shape.
        """
        shape = self.facts.declared.get(like)
        if shape is not None and tensor.name not in self._declared:
            self._declared.add(tensor.name)
            element = helper.np_dtype_to_tensor_dtype(self.dtype)
            self.graph.value_info.append(helper.make_tensor_value_info(tensor.name, element, list(shape)))

    def extra_output(self, node: NodeProto, index: int) -> "Tensor":
        """Ask a node of the classifier for an optional output that it does not give yet."""
        while len(node.output) <= index:
            node.output.append("")
        if not node.output[index]:
            node.output[index] = self._new_name(node.op_type)
        return Tensor(self, node.output[index])

    def _new_name(self, operator: str) -> str:
        while True:
            self._count += 1
            name = f"{self._prefix}/{operator}_{self._count}"
            if name not in self._taken:
                self._taken.add(name)
                return name


class Tensor:
    """A tensor of the graph that is being written; arithmetic on it writes nodes.

    Numbers and arrays become constants, so a rule reads like its formula: ``dy * y * (1 - y)``.

    Args:
        tape: Where it is written.
        name: In the graph.
        channels: If it is a map ``[N,C,H,W]`` of the classifier, or comes from one element by element: C.
    """

    __slots__ = ("channels", "name", "tape")

    def __init__(self, tape: Tape, name: str, channels: int | None = None) -> None:
        self.tape = tape
        self.name = name
        self.channels = channels

    def __repr__(self) -> str:
        return f"Tensor({self.name!r})"

    @property
    def shape(self) -> Shape:
        """Axis lengths, None where they follow the batch. Known for the classifier's own tensors."""
        return self.tape.shape(self.name)

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def value(self) -> NDArray[np.generic] | None:
        """The value, if it is a constant."""
        return self.tape.value(self.name)

    def __add__(self, other: "Operand") -> "Tensor":
        return self.tape.apply("Add", self, self._wrap(other))

    def __sub__(self, other: "Operand") -> "Tensor":
        return self.tape.apply("Sub", self, self._wrap(other))

    def __rsub__(self, other: "Operand") -> "Tensor":
        return self.tape.apply("Sub", self._wrap(other), self)

    def __mul__(self, other: "Operand") -> "Tensor":
        return self.tape.apply("Mul", self, self._wrap(other))

    def __truediv__(self, other: "Operand") -> "Tensor":
        return self.tape.apply("Div", self, self._wrap(other))

    def __rtruediv__(self, other: "Operand") -> "Tensor":
        return self.tape.apply("Div", self._wrap(other), self)

    def __neg__(self) -> "Tensor":
        return self.tape.apply("Neg", self)

    def apply(self, operator: str, *others: "Tensor | None", **attributes: Attribute) -> "Tensor":
        """Write a node whose first input this is."""
        return self.tape.apply(operator, self, *others, **attributes)

    def sum(self, axes: Iterable[int], *, keep: bool = True) -> "Tensor":
        """Sum over axes."""
        return self.apply("ReduceSum", self.tape.integers(axes), keepdims=int(keep))

    def mean(self, axes: Iterable[int], *, keep: bool = True) -> "Tensor":
        """Average over axes."""
        return self.apply("ReduceMean", self.tape.integers(axes), keepdims=int(keep))

    def reshape(self, *lengths: int) -> "Tensor":
        """Reshape; 0 keeps the length of that axis, -1 takes what is left."""
        return self.apply("Reshape", self.tape.integers(lengths))

    def transpose(self, *order: int) -> "Tensor":
        """Permute the axes; the identity writes nothing."""
        return self if order == tuple(range(len(order))) else self.apply("Transpose", perm=list(order))

    def _wrap(self, other: "Operand") -> "Tensor":
        return other if isinstance(other, Tensor) else self.tape.real(other)


Operand: TypeAlias = Tensor | float | NDArray[np.generic]
"""What arithmetic accepts beside a tensor."""


def _channels(operator: str, inputs: Sequence[Tensor | None]) -> int | None:
    """Tell the channels of a result, if all that it is computed from are maps of as many."""
    if operator not in ELEMENTWISE:
        return None
    operands = inputs[:1] if operator == "BatchNormalization" else inputs
    found = {None if tensor is None else tensor.channels for tensor in operands}
    return found.pop() if len(found) == 1 else None


def attributes_of(node: NodeProto) -> dict[str, AttributeProto]:
    """Index a node's attributes by name."""
    return {attribute.name: attribute for attribute in node.attribute}
