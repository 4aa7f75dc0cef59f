"""Operators as PyTorch's exporters write them, prepared and differentiated, against PyTorch in float64."""

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from scripts.gradient_parity import export
from service.graphs.differentiate import gradient_graph
from service.graphs.prepare import prepare
from tests.autograd import evaluate_single, torch_gradient

SIDE, TOKENS, WIDTH, CLASSES = 12, 16, 6, 5


class SpatialTransformer(nn.Module):
    """Turns and shears the picture by what it sees, then classifies it (Jaderberg et al. 2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.localiser = nn.Sequential(
            nn.Conv2d(3, 4, 3, 2), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 6)
        )
        self.classifier = nn.Sequential(
            nn.Conv2d(3, WIDTH, 3),
            nn.Tanh(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(WIDTH, CLASSES),
        )

    def forward(self, x: Tensor) -> Tensor:
        theta = self.localiser(x).view(-1, 2, 3)
        grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
        return self.classifier(functional.grid_sample(x, grid, align_corners=False))


class Tokens(nn.Module):
    """Cuts the picture into tokens; what is done with them is the subclasses'."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.head = nn.Conv2d(3, WIDTH, 3, 3), nn.Linear(WIDTH, CLASSES)
        self.scores = nn.Linear(WIDTH, 1)

    def tokens(self, x: Tensor) -> Tensor:
        return self.patches(x).flatten(2).transpose(1, 2)


class Pruned(Tokens):
    """Keeps the tokens of the highest scores, each weighed by its score."""

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.tokens(x)
        scores, kept = self.scores(tokens).squeeze(2).topk(5, 1)
        chosen = tokens.gather(1, kept.unsqueeze(2).expand(-1, -1, WIDTH))
        return self.head((chosen * scores.unsqueeze(2)).mean(1))


class Clustered(Tokens):
    """Adds every token to the cluster to which it is nearest."""

    def __init__(self) -> None:
        super().__init__()
        self.centres = nn.Linear(WIDTH, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.tokens(x)
        nearest = self.centres(tokens).argmax(2, keepdim=True).expand(-1, -1, WIDTH)
        clusters = (tokens[:, :3] * 0.0).scatter_add(1, nearest, tokens)
        return self.head(clusters.square().mean(1))


class Folded(nn.Module):
    """Weighs what lies around every second pixel, and adds it up again, as VOLO's outlooker (Yuan et al. 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        patches = functional.unfold(x, 3, padding=1, stride=2)
        mixed = functional.fold(patches * patches.softmax(1), (SIDE, SIDE), 3, padding=1, stride=2)
        return self.head(torch.tanh(mixed).mean((2, 3)))


CASES = {
    SpatialTransformer: ["TorchScript, opset 20", "dynamo, opset 18", "dynamo, opset 20", "dynamo, opset 23"],
    Pruned: ["TorchScript, opset 13", "TorchScript, opset 17", "dynamo, opset 20", "dynamo, opset 23"],
    Folded: ["TorchScript, opset 18", "dynamo, opset 20"],
    Clustered: ["TorchScript, opset 16", "TorchScript, opset 17", "dynamo, opset 20", "dynamo, opset 23"],
}


@pytest.mark.parametrize(
    ("kind", "exporter"), [(kind, exporter) for kind, exporters in CASES.items() for exporter in exporters]
)
def test_what_is_exported_has_pytorchs_gradient(kind: type[nn.Module], exporter: str) -> None:
    """From file to gradient, in single precision, within rounding."""
    torch.manual_seed(0)
    network = kind().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporters' deprecations
        graph = gradient_graph(prepare(export(network, SIDE, exporter)))
    image = np.random.default_rng(0).uniform(size=(3, 3, SIDE, SIDE)).astype(np.float32)
    logits, gradient, cotangent = torch_gradient(copy.deepcopy(network).double(), image.astype(np.float64))
    found = evaluate_single(graph, {"image": image, "cotangent": cotangent.astype(np.float32)})
    for name, value, wanted in zip(("logits", "gradient"), found, (logits, gradient), strict=True):
        slack = 1000 * np.finfo(np.float32).eps * np.abs(wanted).max()
        np.testing.assert_allclose(np.asarray(value), wanted, rtol=0, atol=float(slack), err_msg=name)
