"""Reverse mode: one pass over the nodes, last to first, one cotangent per tensor."""

from collections.abc import Collection, Mapping, Sequence

from onnx import NodeProto

import service.graphs.rules  # noqa: F401 - registers the rules
from service.errors import UnsupportedOperatorError
from service.graphs.step import RULES, Cotangents, Rule, Step
from service.graphs.tape import Tape, Tensor
from service.graphs.tidy import read_by
from service.graphs.total import total

QUANTISERS = frozenset({"DynamicQuantizeLinear", "QuantizeLinear"})
"""Operators that stand for the identity and have the derivative 0: taken at their word they would hide the model."""


WITHOUT_SLOPE = frozenset("biuOSU")
"""Kinds of numpy's types through which nothing flows: booleans, integers, text."""


def backpropagate(
    tape: Tape, seeds: Mapping[str, Tensor], wanted: Collection[str], rules: Mapping[str, Rule] = RULES
) -> dict[str, Tensor]:
    """Write the nodes that compute vector-Jacobian products.

    Args:
        tape: The classifier's graph, where the nodes are appended.
        seeds: Cotangents of the tensors that are differentiated, by name.
        wanted: Names of the tensors with respect to which.
        rules: By operator; those of the derivative unless something else is wanted.

    Returns:
        The cotangent of every wanted tensor, ``sum over seeds of seed' d(tensor)/d(wanted)``; those on which no
        seed depends are missing.

    Raises:
        UnsupportedOperatorError: An operator on the way has no rule, or quantises.
    """
    nodes = list(tape.graph.node)
    dependent = _dependents(tape, nodes, wanted)
    cotangents = dict(seeds)
    for node in reversed(nodes):
        outputs = tuple(cotangents.get(name) for name in node.output)
        if not any(outputs) or dependent.isdisjoint(read_by(node)):
            continue
        step = Step(tape, node, outputs, dependent)
        for name, contribution in zip(node.input, _contributions(step, rules), strict=False):
            if contribution is not None and name in dependent:
                known = cotangents.get(name)
                cotangents[name] = (
                    contribution if known is None else total(known, contribution, tape.shape(name))
                )
                tape.declare(cotangents[name], name)
    return {name: cotangents[name] for name in wanted if name in cotangents}


def _contributions(step: Step, rules: Mapping[str, Rule]) -> Cotangents:
    """Apply the rule of a node; refuse it where something that depends on the image would be left out."""
    rule = _rule_of(step.node, rules)
    _check_type(step)
    found = rule(step)
    for index in range(len(found), len(step.node.input)):
        if step.needs(index):
            raise step.unsupported(f"its input {index} depends on the image; a constant was expected")
    return found


def _rule_of(node: NodeProto, rules: Mapping[str, Rule]) -> Rule:
    if node.domain not in {"", "ai.onnx"}:
        raise UnsupportedOperatorError(f"{node.domain}::{node.op_type}", node.name)
    if node.op_type not in rules:
        raise UnsupportedOperatorError(node.op_type, node.name)
    return rules[node.op_type]


def _dependents(tape: Tape, nodes: Sequence[NodeProto], wanted: Collection[str]) -> frozenset[str]:
    """Find what depends on the wanted tensors, inside of control flow too; nothing flows through integers and booleans."""
    found = set(wanted)
    for node in nodes:
        if not found.isdisjoint(read_by(node)):
            if node.op_type in QUANTISERS:
                reason = "what is rounded to integers has no slope; bring the model as it was before"
                raise UnsupportedOperatorError(node.op_type, node.name, reason)
            found.update(name for name in node.output if name and _carries(tape, name))
    return frozenset(found)


def _check_type(step: Step) -> None:
    for tensor in (step.x, step.y):
        if tensor.name not in step.tape.facts.types:
            raise step.unsupported("it passes on a sequence; a tensor was expected")
        found = step.tape.facts.types[tensor.name]
        if _carries(step.tape, tensor.name) and found != step.tape.dtype:
            raise step.unsupported(f"it computes in {found}; {step.tape.dtype} was expected throughout")


def _carries(tape: Tape, name: str) -> bool:
    """Tell whether a tensor may hold reals, of any precision; of a sequence nothing is known."""
    return name not in tape.facts.types or tape.facts.types[name].kind not in WITHOUT_SLOPE
