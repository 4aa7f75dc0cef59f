"""Give layers of a classifier fresh weights, on the initialisers of its graph."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

from service.certificate.parameters import NORMALISATIONS, WEIGHTED, Layer

_RESTING = (1.0, 0.0, 0.0, 1.0)
"""Scale, shift, running mean and variance of a normalisation that has seen no data."""

_VECTOR = 1
_MATRIX_AXES = 2


def randomised(model: ModelProto, layers: Iterable[Layer], random: np.random.Generator) -> ModelProto:
    """Copy a classifier with some layers as they were before training.

    - Weights of convolutions and matrix products: normal, mean 0, variance ``gain / fan_in``, with a gain of 2
      behind a rectifier and 1 elsewhere, which keeps the power of the signal from layer to layer [1]_. A
      trained layer's own scale is not kept: after batch normalisation was folded in, it has none of its own.
    - Their biases: 0. A folded batch normalisation is such a bias and a factor of the weights, and goes with them.
    - A normalisation that is a node of its own: scale 1, shift 0, mean 0, variance 1.
    - Any other parameter (a positional embedding, an element-wise gain): its own values in random order.

    Args:
        model: With its weights inside. It is not changed.
        layers: Which; the same generator and the same layers give the same weights.
        random: Where the weights come from.

    Returns:
        A copy; the names of all tensors stay.

    References:
        .. [1] He, Zhang, Ren, Sun. "Delving Deep into Rectifiers", ICCV 2015, equation 10.
           https://arxiv.org/abs/1502.01852
    """
    copied = ModelProto()
    copied.CopyFrom(model)
    tensors = {tensor.name: tensor for tensor in copied.graph.initializer}
    for layer in layers:
        shown = {name: numpy_helper.to_array(tensors[name]) for name in layer.tensors}
        for name, values in _fresh(layer, shown, random).items():
            tensors[name].CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))
    return copied


def _fresh(
    layer: Layer, trained: Mapping[str, NDArray[np.float32]], random: np.random.Generator
) -> dict[str, NDArray[np.floating]]:
    if layer.operator in NORMALISATIONS:
        return {
            name: np.full_like(trained[name], _RESTING[position - 1])
            for name, position in zip(layer.tensors, layer.positions, strict=True)
        }
    if layer.operator not in WEIGHTED:
        return {name: _shuffled(values, random) for name, values in trained.items()}
    return {
        name: np.zeros_like(values) if values.ndim <= _VECTOR else _weights(layer, values.shape, random)
        for name, values in trained.items()
    }


def _weights(layer: Layer, shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.floating]:
    gain = 2 if layer.behind_rectifier else 1
    drawn: NDArray[np.floating] = random.standard_normal(shape) * np.sqrt(gain / fan_in(layer, shape))
    return drawn


def fan_in(layer: Layer, shape: tuple[int, ...]) -> int:
    """Count the inputs that one output of a layer sums over.

    Args:
        layer: A convolution or matrix product.
        shape: Of its weight.

    Examples:
        A convolution of 3 x 3 over 16 channels; each channel alone; a matrix ``[inputs, outputs]``:

        >>> fan_in(Layer("Conv", ("w",)), (32, 16, 3, 3)), fan_in(Layer("Conv", ("w",), groups=32), (32, 1, 3, 3))
        (144, 9)
        >>> fan_in(Layer("MatMul", ("w",)), (64, 10))
        64
    """
    if layer.operator == "Conv":
        return int(np.prod(shape[1:]))
    if layer.operator == "ConvTranspose":  # [inputs, outputs / groups, ...]
        return int(shape[0] // layer.groups * np.prod(shape[2:]))
    return shape[-1] if layer.transposed else shape[-_MATRIX_AXES]


def _shuffled(values: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    return random.permutation(values.ravel()).reshape(values.shape)
