"""One derivative rule per operator; importing this package registers them all."""

from service.graphs.rules import (
    activation,
    convolution,
    elementwise,
    indexing,
    linear,
    movement,
    norm,
    normalisation,
    pooling,
    reduction,
    resize,
    sampling,
    unary,
)

__all__ = [
    "activation",
    "convolution",
    "elementwise",
    "indexing",
    "linear",
    "movement",
    "norm",
    "normalisation",
    "pooling",
    "reduction",
    "resize",
    "sampling",
    "unary",
]
