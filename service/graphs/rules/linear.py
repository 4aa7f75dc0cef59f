"""Derivatives of matrix products."""

from collections.abc import Sequence
from string import ascii_letters

import numpy as np

from service.graphs.rules.broadcast import unbroadcast
from service.graphs.step import Cotangents, Step, rule
from service.graphs.tape import Tensor

MATRIX_AXES = 2


@rule("MatMul")
def matrix_product(step: Step) -> Cotangents:
    """``y = a b``;  ``da = dy b', db = a' dy``, summed over what was broadcast."""
    a, b = step.x, step.input(1)
    if min(a.rank, b.rank) < MATRIX_AXES:
        return _product_with_a_vector(step)
    da = db = None
    if step.needs(0):
        da = unbroadcast(step.dy.apply("MatMul", _transposed(b)), a, step.y, kept=MATRIX_AXES)
    if step.needs(1):
        db = unbroadcast(_transposed(a).apply("MatMul", step.dy), b, step.y, kept=MATRIX_AXES)
    return (da, db)


def _product_with_a_vector(step: Step) -> Cotangents:
    """``y = a v``;  ``da = dy v', dv = a' dy``, with the axis that the product dropped put back; likewise for ``v b``."""
    a, b = step.x, step.input(1)
    if a.rank == b.rank:
        raise step.unsupported("both factors are vectors; a matrix was expected")
    right = b.rank == 1
    dy = step.dy.apply("Unsqueeze", step.tape.integers([-1 if right else -2]))
    vector, matrix = (b, a) if right else (a, b)
    dropped = [*range(matrix.rank - MATRIX_AXES), matrix.rank - (MATRIX_AXES if right else 1)]
    d_matrix = dy * (vector if right else vector.reshape(-1, 1))
    d_vector = (dy * matrix).sum(dropped, keep=False)
    return (d_matrix, d_vector) if right else (d_vector, d_matrix)


@rule("Gemm")
def general_matrix_product(step: Step) -> Cotangents:
    """``y = alpha A B + beta C``;  ``dA = alpha dy B', dB = alpha A' dy, dC = beta dy``, A and B turned on request."""
    a, b, dy = step.x, step.input(1), step.dy
    alpha = step.number("alpha", 1.0)
    turn_a, turn_b = step.integer("transA", 0), step.integer("transB", 0)
    da = db = dc = None
    if step.needs(0):
        da = (
            b.apply("Gemm", dy, transA=turn_b, transB=1, alpha=alpha)
            if turn_a
            else dy.apply("Gemm", b, transB=1 - turn_b, alpha=alpha)
        )
    if step.needs(1):
        db = (
            dy.apply("Gemm", a, transA=1, transB=turn_a, alpha=alpha)
            if turn_b
            else a.apply("Gemm", dy, transA=1 - turn_a, alpha=alpha)
        )
    if step.needs(2):
        dc = unbroadcast(dy * step.number("beta", 1.0), step.input(2), step.y)
    return (da, db, dc)


@rule("Einsum")
def einstein_sum(step: Step) -> Cotangents:
    """``y = einsum("ij,jk->ik", a, b)``;  ``da = einsum("ik,jk->ij", dy, b)``, and so on for each operand."""
    terms, result = _equation(step)
    lengths = _lengths(step, terms)
    cotangents: list[Tensor | None] = []
    for position, term in enumerate(terms):
        if not step.needs(position):
            cotangents.append(None)
            continue
        if len(set(term)) < len(term):
            raise step.unsupported("an operand repeats an index")
        others = [index for index in range(len(terms)) if index != position]
        operands, indices = [step.input(index) for index in others], [terms[index] for index in others]
        alone = [letter for letter in term if letter not in result and not any(letter in i for i in indices)]
        if alone:  # summed over without a partner: as a product with ones
            operands.append(step.tape.real(np.ones([_known(step, lengths[letter]) for letter in alone])))
            indices.append("".join(alone))
        equation = ",".join([result, *indices]) + "->" + term
        cotangents.append(step.dy.apply("Einsum", *operands, equation=equation))
    return tuple(cotangents)


def _equation(step: Step) -> tuple[list[str], str]:
    """Split an equation into its operands' indices and its result's; an ellipsis becomes letters that are free."""
    text = step.text("equation", "").replace(" ", "")
    left, arrow, result = text.partition("->")
    if not arrow:
        letters = left.replace(",", "").replace(".", "")
        result = "..." * ("." in left) + "".join(sorted(x for x in set(letters) if letters.count(x) == 1))
    terms = left.split(",")
    free = [letter for letter in ascii_letters if letter not in text]
    axes = [step.input(i).rank - len(term.replace("...", "")) for i, term in enumerate(terms)]
    most = max(axes)
    terms = [
        term.replace("...", "".join(free[most - count : most]))
        for term, count in zip(terms, axes, strict=True)
    ]
    return terms, result.replace("...", "".join(free[:most]))


def _lengths(step: Step, terms: Sequence[str]) -> dict[str, int | None]:
    """Find the length of every index.

    Raises:
        UnsupportedOperatorError: An axis of length 1 is broadcast.
    """
    lengths: dict[str, int | None] = {}
    for position, term in enumerate(terms):
        for letter, length in zip(term, step.input(position).shape, strict=True):
            if lengths.setdefault(letter, length) != length:
                raise step.unsupported("an axis of length 1 is broadcast")
    return lengths


def _known(step: Step, length: int | None) -> int:
    if length is None:
        raise step.unsupported("it sums over the batch")
    return length


def _transposed(matrix: Tensor) -> Tensor:
    *batch, rows, columns = range(matrix.rank)
    return matrix.transpose(*batch, columns, rows)
