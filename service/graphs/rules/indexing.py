"""Derivatives of operators that read or write entries at indices."""

from service.graphs.rules.scatter import scatter_back
from service.graphs.step import Cotangents, Step, rule
from service.graphs.total import pad


@rule("Gather")
def gather(step: Step) -> Cotangents:
    """``y = x`` at indices along one axis;  ``dx`` = dy added up at those indices, 0 elsewhere."""
    index = step.input(1).value
    axis = step.integer("axis", 0) % step.x.rank
    length = step.x.shape[axis]
    if index is None or index.size != 1 or index.ndim > 1 or length is None:
        return (scatter_back(step),)
    position = int(index.reshape(())) % length
    before, after = [0] * step.x.rank, [0] * step.x.rank
    before[axis], after[axis] = position, length - 1 - position
    kept = step.dy if index.ndim == 1 else step.dy.apply("Unsqueeze", step.tape.integers([axis]))
    return (pad(kept, before, after),)


@rule("GatherElements", "GatherND")
def gather_entries(step: Step) -> Cotangents:
    """``y = x`` at indices;  ``dx`` = dy added up at those indices, 0 elsewhere."""
    return (scatter_back(step),)


@rule("TopK")
def largest_entries(step: Step) -> Cotangents:
    """``y`` = the k largest or smallest entries of x along one axis;  ``dx`` = dy where they were, 0 elsewhere."""
    positions = step.tape.extra_output(step.node, 1)
    zeros = step.tape.real(0.0).apply("Expand", step.x.apply("Shape"))
    return (zeros.apply("ScatterElements", positions, step.dy, axis=step.integer("axis", -1)),)


@rule("ScatterElements", "ScatterND")
def scatter_entries(step: Step) -> Cotangents:
    """``y = x`` with u put, or added, at indices;  ``dx = dy``, with 0 where u was put;  ``du = dy`` at the indices."""
    reduction = step.text("reduction", "none")
    if reduction not in {"add", "none"}:
        raise step.unsupported(f"it scatters by {reduction}; only entries that are put or added have a rule")
    index, updates = step.input(1), step.input(2)
    along = {"axis": step.integer("axis", 0)} if step.node.op_type == "ScatterElements" else {}
    dx = step.dy
    if step.needs(0) and reduction == "none":
        zeros = step.tape.real(0.0).apply("Expand", updates.apply("Shape"))
        dx = step.dy.apply(step.node.op_type, index, zeros, **along)
    gather = step.node.op_type.replace("Scatter", "Gather")
    return (dx, None, step.dy.apply(gather, index, **along) if step.needs(2) else None)
