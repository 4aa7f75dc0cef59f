"""Put a network into evaluation mode for a while, and leave no trace."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluate: BatchNorm uses and keeps its running statistics, Dropout is off.

    Saliency and attack run under this. Each module gets back the mode it had, so a network with
    deliberately frozen parts stays as it was.
    """
    before = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


@contextmanager
def keeping_statistics(network: nn.Module) -> Iterator[None]:
    """Normalise by the batch, but leave BatchNorm's running statistics alone."""
    layers = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]  # noqa: SLF001 - the only name that all BatchNorms share
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
