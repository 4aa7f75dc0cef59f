"""Attention relevance against its definition, written out in PyTorch in float64."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from onnx import ModelProto
from torch import Tensor
from torchvision.models import VisionTransformer

from service.errors import GraphError
from service.graphs.attention import attention_graph
from service.graphs.prepare import prepare
from tests.autograd import evaluate_single
from tests.kernels import nodes_without_cuda_kernel
from tests.transformers import CLASSES, HEADS, PATCH, SIDE, WIDTH, exported, transformer, windowed

Make = Callable[..., ModelProto]
TARGET = 3
GRID = SIDE // PATCH
IMAGE = np.random.default_rng(0).random((2, 3, SIDE, SIDE), dtype=np.float32)


class Pooled(VisionTransformer):
    """The same, but the logits are read from the mean of the patches."""

    def forward(self, x: Tensor) -> Tensor:
        patches = self._process_input(x)
        tokens = torch.cat([self.class_token.expand(patches.shape[0], -1, -1), patches], dim=1)
        return torch.as_tensor(self.heads(self.encoder(tokens)[:, 1:].mean(1)))


def literal(model: VisionTransformer, image: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Run torchvision's layers with the attention written out; give logits and attention matrices."""
    x = torch.cat([model.class_token.expand(len(image), -1, -1), model._process_input(image)], dim=1)
    x = x + model.encoder.pos_embedding
    matrices = []
    for block in model.encoder.layers:
        normed = block.ln_1(x)
        attention = block.self_attention
        projected = normed @ attention.in_proj_weight.T + attention.in_proj_bias
        q, k, v = (
            part.reshape(len(x), -1, HEADS, WIDTH // HEADS).transpose(1, 2) for part in projected.chunk(3, -1)
        )
        matrix = (q @ k.transpose(-1, -2) / (WIDTH // HEADS) ** 0.5).softmax(-1)
        matrices.append(matrix)
        x = x + attention.out_proj((matrix @ v).transpose(1, 2).reshape(len(x), -1, WIDTH))
        x = x + block.mlp(block.ln_2(x))
    x = model.encoder.ln(x)
    read = x[:, 1:].mean(1) if isinstance(model, Pooled) else x[:, 0]
    return model.heads(read), matrices


def relevance(model: VisionTransformer, image: Tensor) -> Tensor:
    """Equations 5 and 6 of Chefer et al., token by token: ``R = 1``, then ``R = R + B R`` for every block."""
    logits, matrices = literal(model, image)
    gradients = torch.autograd.grad(logits[:, TARGET].sum(), matrices)
    total = torch.eye(matrices[0].shape[-1], dtype=torch.float64).expand(len(image), -1, -1)
    for matrix, gradient in zip(matrices, gradients, strict=True):
        total = total + (matrix * gradient).clamp(min=0).mean(1) @ total
    total = total - torch.eye(total.shape[-1])
    row = total[:, 1:].mean(1) if isinstance(model, Pooled) else total[:, 0]
    return row[:, 1:].reshape(-1, 1, GRID, GRID)


@pytest.mark.parametrize("kind", [VisionTransformer, Pooled])
def test_it_is_what_its_paper_defines(kind: type[VisionTransformer]) -> None:
    """The graph finds by itself where the matrices are, which tokens are patches and which are read.

    The tolerance is that of the attention's own float32: sums of a few hundred terms.
    """
    model = transformer(kind)
    graph = attention_graph(exported(model))
    cotangent = np.eye(CLASSES, dtype=np.float32)[[TARGET, TARGET]]
    answers = evaluate_single(graph, {"image": IMAGE, "cotangent": cotangent})
    found = dict(zip([entry.name for entry in graph.graph.output], answers, strict=True))
    double = model.double()
    image = torch.from_numpy(IMAGE).double()
    expected = relevance(double, image).detach().numpy()
    logits = double(image).detach().numpy()
    np.testing.assert_allclose(literal(double, image)[0].detach().numpy(), logits, rtol=1e-12)
    np.testing.assert_allclose(found["logits"], logits, rtol=0, atol=1e-4 * np.abs(logits).max())
    np.testing.assert_allclose(found["relevance"], expected, rtol=0, atol=1e-4 * expected.max())
    assert nodes_without_cuda_kernel(graph, prefix="vjp/") == []


def test_attention_within_windows_is_refused() -> None:
    """A Swin transformer's matrices are per window, so no product of them runs through the image."""
    with pytest.raises(GraphError, match=r"windows .* cannot be followed from block to block"):
        attention_graph(exported(windowed()))


def test_a_network_without_attention_is_refused(classifier: Make) -> None:
    with pytest.raises(GraphError, match="no attention matrix"):
        attention_graph(prepare(classifier()))
