"""Class activation maps of transformers, without being told how tokens lie: against pytorch-grad-cam, which is told."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from pytorch_grad_cam.activations_and_gradients import ActivationsAndGradients
from torch import Tensor, nn

from service.graphs.differentiate import features_graph
from tests.autograd import evaluate_single
from tests.transformers import CLASSES, PATCH, SIDE, exported, transformer, windowed

TARGET = 3
IMAGE = np.random.default_rng(0).random((2, 3, SIDE, SIDE), dtype=np.float32)


def patches(tokens: Tensor) -> Tensor:
    """What its users write for a ViT: ``[N,1+T,K]`` to ``[N,K,h,w]``."""
    grid = SIDE // PATCH
    return tokens[:, 1:].transpose(1, 2).reshape(len(tokens), -1, grid, grid)


CASES: dict[
    str, tuple[Callable[[], nn.Module], Callable[[nn.Module], nn.Module], Callable[[Tensor], Tensor]]
] = {
    "ViT": (transformer, lambda model: model.encoder.layers[-1].ln_1, patches),
    "Swin": (windowed, lambda model: model.norm, lambda maps: maps.permute(0, 3, 1, 2)),
}


@pytest.mark.parametrize("name", CASES)
def test_features_and_gradients_are_those_at_the_layer_that_people_choose(name: str) -> None:
    """The layers that its documentation names for each; found from the graph here, the tokens laid out, too.

    In float64 there; the tolerance is float32's over sums of a few hundred terms.
    """
    make, layer_of, reshape = CASES[name]
    model = make()
    graph = features_graph(exported(model))
    cotangent = np.eye(CLASSES, dtype=np.float32)[[TARGET, TARGET]]
    answers = evaluate_single(graph, {"image": IMAGE, "cotangent": cotangent})
    found = dict(zip([entry.name for entry in graph.graph.output], answers, strict=True))
    watch = ActivationsAndGradients(model.double(), [layer_of(model)], reshape)
    watch(torch.from_numpy(IMAGE).double())[:, TARGET].sum().backward()
    expected = {"features": watch.activations[0], "feature_gradient": watch.gradients[0]}
    for output, theirs in expected.items():
        wanted = theirs.numpy()
        np.testing.assert_allclose(found[output], wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
