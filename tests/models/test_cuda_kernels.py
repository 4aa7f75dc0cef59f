"""Every graph of every bundle that we ship runs on a GPU whole."""

from pathlib import Path

import onnx
import pytest

from tests.kernels import nodes_without_cuda_kernel

MODELS = Path(__file__).parents[2] / "models"
GRAPHS = sorted(path.relative_to(MODELS).as_posix() for path in MODELS.glob("*/*/*.onnx"))


@pytest.mark.parametrize("path", GRAPHS)
def test_every_node_has_a_cuda_kernel(path: str) -> None:
    """Classifier and derivative: one node without would bring its maps to the host and back on every pass."""
    assert nodes_without_cuda_kernel(onnx.load(MODELS / path, load_external_data=False)) == []
