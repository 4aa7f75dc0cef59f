"""What counts as learnt, and in which order."""

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper

from service.certificate.parameters import layers_from_top
from service.errors import GraphError
from tests.service.certificate.conftest import from_text


def model(text: str, **weights: tuple[int, ...]) -> ModelProto:
    made = from_text(f"net (float[N,3,8,8] image) => (float[N,C] logits) {{ {text} }}")
    made.graph.initializer.extend(
        numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in weights.items()
    )
    return made


def names(made: ModelProto) -> list[tuple[str, ...]]:
    return [layer.tensors for layer in layers_from_top(made)]


def test_layers_come_from_the_logits_down_and_preprocessing_is_none() -> None:
    made = model(
        "x = Sub (image, mean) c = Conv (x, kernel, bias) r = Relu (c) p = GlobalAveragePool (r) "
        "f = Flatten (p) logits = Gemm <transB: int = 1> (f, head, shift)",
        mean=(1, 3, 1, 1), kernel=(4, 3, 3, 3), bias=(4,), head=(5, 4), shift=(5,),
    )  # fmt: skip

    assert names(made) == [("head", "shift"), ("kernel", "bias")]


def test_a_layer_knows_whether_a_rectifier_feeds_it() -> None:
    """Pooling between the two changes nothing; a sum does."""
    made = model(
        "a = Conv (image, k1) r = Relu (a) p = MaxPool <kernel_shape: ints = [2, 2]> (r) b = Conv (p, k2) "
        "s = Add (b, b) c = Conv (s, k3) m = GlobalAveragePool (c) logits = Flatten (m)",
        k1=(4, 3, 1, 1), k2=(4, 4, 1, 1), k3=(5, 4, 1, 1),
    )  # fmt: skip

    assert [layer.behind_rectifier for layer in layers_from_top(made)] == [False, True, False]


def test_tokens_gains_and_normalisations_of_a_transformer_are_learnt() -> None:
    made = model(
        "c = Conv (image, patch) t = Flatten <axis: int = 2> (c) p = Add (t, position) "
        "n = LayerNormalization (p, scale, shift) w = Transpose (matrix) m = MatMul (n, w) "
        "logits = ReduceSum (m)",
        patch=(4, 3, 2, 2), position=(1, 4, 49), scale=(49,), shift=(49,), matrix=(5, 49),
    )  # fmt: skip

    assert names(made) == [("matrix",), ("scale", "shift"), ("position",), ("patch",)]


def test_settings_and_scalars_are_not_learnt() -> None:
    """Resize has float inputs of more than one element that say how it works."""
    made = model(
        "c = Conv (image, k) u = Resize (c, , scales) d = Mul (u, half) m = GlobalAveragePool (d) logits = Flatten (m)",
        k=(5, 3, 1, 1), scales=(4,), half=(1,),
    )  # fmt: skip

    assert names(made) == [("k",)]


def test_a_shared_tensor_belongs_to_its_uppermost_layer() -> None:
    made = model(
        "a = Conv (image, k) b = Conv (a, k) m = GlobalAveragePool (b) logits = Flatten (m)", k=(3, 3, 1, 1)
    )

    assert names(made) == [("k",)]


def test_a_classifier_without_weights_cannot_be_randomised() -> None:
    with pytest.raises(GraphError, match="no learnt parameters"):
        layers_from_top(model("m = GlobalAveragePool (image) logits = Flatten (m)"))
