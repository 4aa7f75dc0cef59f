"""Operators that are newer than our operator set, written as older ones."""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from service.graphs.step import Step
from service.graphs.tape import MAP_AXES, Tensor

Expansion: TypeAlias = Callable[[Step], Tensor]
"""From a node to the tensor that takes the place of its first output."""

HEAD_AXES = 4
"""Batch, heads, tokens, features of one head."""

OLDER_MODES = {"cubic": "bicubic", "linear": "bilinear"}
"""What GridSample called its modes before it read more axes than two."""

MEMORY = (4, 5, 6)
"""Inputs of attention: keys and values of earlier tokens, and how many of the tokens count."""


def gelu(step: Step) -> Tensor:
    """``x P(x)`` with the normal distribution P, or its tanh form.

    The exact form is written as exporters wrote it before there was a Gelu, which ONNX Runtime fuses again.
    """
    x = step.x
    if step.text("approximate", "none") == "tanh":
        inner = (x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)
        return x * (inner.apply("Tanh") + 1.0) * 0.5
    return x * ((x / math.sqrt(2)).apply("Erf") + 1.0) * 0.5


def swish(step: Step) -> Tensor:
    """``x sigmoid(alpha x)``."""
    alpha = step.number("alpha", 1.0)
    scaled = step.x if alpha == 1 else step.x * alpha
    return step.x * scaled.apply("Sigmoid")


def root_mean_square_normalisation(step: Step) -> Tensor:
    """``x / sqrt(mean x^2 + epsilon)``, times the scale."""
    axes = range(step.integer("axis", -1) % step.x.rank, step.x.rank)
    mean_square = (step.x * step.x).mean(axes)
    return step.x / (mean_square + step.number("epsilon", 1e-5)).apply("Sqrt") * step.input(1)


def group_normalisation(step: Step) -> Tensor:
    """Standardise each group of channels; scale and bias are per channel.

    Written as exporters do: InstanceNormalization over groups that look like channels.
    """
    groups, channels = step.integer("num_groups", 1), step.x.shape[1]
    tape = step.tape
    one, zero = tape.real([1.0] * groups), tape.real([0.0] * groups)
    epsilon = step.number("epsilon", 1e-5)
    grouped = step.x.reshape(0, groups, -1).apply("InstanceNormalization", one, zero, epsilon=epsilon)
    lengths = [-1 if length is None else length for length in step.x.shape]
    per_channel = (channels or -1, *[1] * (step.x.rank - 2))
    restored = grouped.reshape(*lengths)
    return restored * step.input(1).reshape(*per_channel) + step.input(2).reshape(*per_channel)


def grid_sample(step: Step) -> Tensor:
    """The same, by the names that the modes had before."""
    mode = step.text("mode", "linear")
    if step.x.rank != MAP_AXES:
        raise step.unsupported(f"it reads {step.x.rank - 2} axes; height and width were expected")
    return step.x.apply(
        "GridSample",
        step.input(1),
        mode=OLDER_MODES.get(mode, mode),
        padding_mode=step.text("padding_mode", "zeros"),
        align_corners=step.integer("align_corners", 0),
    )


def affine_grid(step: Step) -> Tensor:
    """``theta (column, row, 1)'`` at every pixel, whose coordinates go from -1 to 1."""
    lengths = [length for length in step.y.shape[1:3] if length is not None]
    if step.y.rank != MAP_AXES or len(lengths) < len(step.y.shape[1:3]):
        raise step.unsupported("it makes a grid of other axes than a fixed height and width")
    aligned = step.integer("align_corners", 0)
    rows, columns = (np.linspace(-1, 1, n) if aligned else (2 * np.arange(n) + 1) / n - 1 for n in lengths)
    row, column = (axis.reshape(-1) for axis in np.meshgrid(rows, columns, indexing="ij"))
    pixels = step.tape.real(np.stack([column, row, np.ones_like(row)]))
    return step.x.apply("MatMul", pixels).transpose(0, 2, 1).reshape(0, *lengths, 2)


def attention(step: Step) -> Tensor:
    """``softmax(q k' / sqrt(d) + mask) v``, for ``[N, heads, tokens, d]`` without memory of earlier tokens."""
    q, k, v = (step.input(index) for index in range(3))
    heads = {q.shape[1], k.shape[1], v.shape[1]}
    if q.rank != HEAD_AXES or len(heads) != 1 or any(map(step.has, MEMORY)) or step.integer("is_causal", 0):
        raise step.unsupported("only attention [N,heads,tokens,d] among all tokens is supported")
    if step.number("softcap", 0.0) or any(step.node.output[1:]):
        raise step.unsupported("a soft cap or further outputs of attention are not supported")
    scale = step.number("scale", 1 / math.sqrt(q.shape[3] or 1))
    # Each factor gets the root of the scale, as the operator is defined, so that neither overflows.
    scores = (q * math.sqrt(scale)).apply("MatMul", k.transpose(0, 1, 3, 2) * math.sqrt(scale))
    if step.has(3):
        scores = scores + _additive(step.input(3))
    return scores.apply("Softmax", axis=-1).apply("MatMul", v)


def _additive(mask: Tensor) -> Tensor:
    """Turn a mask of what may be attended to into what is added to the scores."""
    if mask.tape.facts.types[mask.name] != np.dtype(bool):
        return mask
    return mask.apply("Where", mask.tape.real(0.0), mask.tape.real(-math.inf))


EXPANSIONS: dict[str, Expansion] = {
    "AffineGrid": affine_grid,
    "Attention": attention,
    "Gelu": gelu,
    "GridSample": grid_sample,
    "GroupNormalization": group_normalisation,
    "RMSNormalization": root_mean_square_normalisation,
    "Swish": swish,
}
"""By the name of the newer operator."""
