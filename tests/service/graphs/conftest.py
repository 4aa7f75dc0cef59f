"""Small classifiers, as somebody may bring them."""

from collections.abc import Callable

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper, parser

HEAD = """
  pooled = GlobalAveragePool (features)
  flat = Flatten <axis: int = 1> (pooled)
  scores = Gemm <transB: int = 1> (flat, head)
"""


@pytest.fixture
def classifier() -> Callable[..., ModelProto]:
    """Make a classifier of 5 classes from the text of what lies between ``x`` and ``features`` or ``scores``."""

    def make(
        body: str = "features = Relu (x)",
        *,
        image: str = "float[N,3,8,8] x",
        outputs: str = "float[N,5] scores",
        head: str = HEAD,
        channels: int = 3,
        opset: int = 18,
        domains: str = "",
    ) -> ModelProto:
        model = parser.parse_model(
            f'<ir_version: 10, opset_import: ["" : {opset}{domains}]>\n'
            f"brought ({image}) => ({outputs}) {{ {body} {head} }}"
        )
        weights = np.random.default_rng(0).normal(size=(5, channels)).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(weights, "head"))
        return model

    return make
