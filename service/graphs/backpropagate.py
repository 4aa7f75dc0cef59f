"""Reverse mode: one pass over the nodes, last to first, one cotangent per tensor."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from onnx import NodeProto

import service.graphs.rules  # noqa: F401 - registers the rules
from service.errors import UnsupportedOperatorError
from service.graphs.step import RULES, Rule, Step
from service.graphs.tape import Tape, Tensor
from service.graphs.total import total

QUANTISERS = frozenset({"DynamicQuantizeLinear", "QuantizeLinear"})
"""Operators that stand for the identity and have the derivative 0: taken at their word they would hide the model."""


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
        if not any(outputs) or not any(name in dependent for name in node.input):
            continue
        step = Step(tape, node, outputs, dependent)
        _check_type(step)
        for name, contribution in zip(node.input, _rule_of(node, rules)(step), strict=False):
            if contribution is not None and name in dependent:
                known = cotangents.get(name)
                cotangents[name] = (
                    contribution if known is None else total(known, contribution, tape.shape(name))
                )
                tape.declare(cotangents[name], name)
    return {name: cotangents[name] for name in wanted if name in cotangents}


def _rule_of(node: NodeProto, rules: Mapping[str, Rule]) -> Rule:
    if node.domain not in {"", "ai.onnx"}:
        raise UnsupportedOperatorError(f"{node.domain}::{node.op_type}", node.name)
    if node.op_type not in rules:
        raise UnsupportedOperatorError(node.op_type, node.name)
    return rules[node.op_type]


def _dependents(tape: Tape, nodes: Sequence[NodeProto], wanted: Collection[str]) -> frozenset[str]:
    """Find what depends on the wanted tensors; nothing flows through integers and booleans."""
    found = set(wanted)
    for node in nodes:
        if found.intersection(node.input):
            if node.op_type in QUANTISERS:
                reason = "what is rounded to integers has no slope; bring the model as it was before"
                raise UnsupportedOperatorError(node.op_type, node.name, reason)
            found.update(name for name in node.output if name and _is_real(tape, name))
    return frozenset(found)


def _check_type(step: Step) -> None:
    for tensor in (step.x, step.y):
        found = step.tape.facts.types[tensor.name]
        if np.issubdtype(found, np.floating) and found != step.tape.dtype:
            raise step.unsupported(f"it computes in {found}; {step.tape.dtype} was expected throughout")


def _is_real(tape: Tape, name: str) -> bool:
    return name in tape.facts.types and np.issubdtype(tape.facts.types[name], np.floating)
