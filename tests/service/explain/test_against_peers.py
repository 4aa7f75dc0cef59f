"""The same weights in PyTorch, explained by Captum and pytorch-grad-cam in float64."""

import numpy as np
import pytest
import torch
from captum.attr import InputXGradient, IntegratedGradients, LayerGradCam, Saliency
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, LayerCAM, XGradCAM
from pytorch_grad_cam.base_cam import BaseCAM

from service.explain.methods import METHODS
from service.explain.subject import Subject
from service.imaging.baselines import channel_mean
from service.runtime.drive import drive
from service.runtime.model import LoadedModel
from tests.tiny import PROGRAMS, conv_model, load_tiny

SIZE, CLASSES, MAPS, TARGET = 12, 4, 6, 2
RNG = np.random.default_rng(11)
KERNEL = RNG.standard_normal((MAPS, 3, 3, 3)).astype(np.float32)
HEAD = RNG.standard_normal((CLASSES, MAPS)).astype(np.float32)
PIXELS = RNG.random((3, SIZE, SIZE), dtype=np.float32)
EPS = float(np.finfo(np.float32).eps)


class Twin(torch.nn.Module):
    """The network of ``tests.tiny.conv_model`` in float64."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, MAPS, 3, padding=1, bias=False, dtype=torch.float64)
        self.features = torch.nn.ReLU()
        self.head = torch.nn.Linear(MAPS, CLASSES, bias=False, dtype=torch.float64)
        with torch.no_grad():
            self.conv.weight.copy_(torch.from_numpy(KERNEL))
            self.head.weight.copy_(torch.from_numpy(HEAD))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = self.features(self.conv(image)).mean(dim=(2, 3))
        logits: torch.Tensor = self.head(pooled)
        return logits


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_tiny(conv_model(KERNEL, HEAD, size=SIZE), tmp_path_factory.mktemp("conv"))


@pytest.fixture(scope="module")
def twin() -> Twin:
    return Twin().eval()


@pytest.fixture
def image() -> torch.Tensor:
    return torch.from_numpy(PIXELS).double()[None].requires_grad_()


def explain(model: LoadedModel, method: str, **options: object) -> np.ndarray:
    chosen = METHODS[method]
    subject = Subject.of(model, PIXELS, target=TARGET)
    return drive(chosen.plan(subject, chosen.parameters.model_validate(options)), model).map


def close(ours: np.ndarray, theirs: np.ndarray, roundings: int) -> None:
    """Ours is float32: *roundings* operations, each off by half an ulp of the largest value at most."""
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=roundings * EPS * float(np.abs(theirs).max()))


def test_gradient_is_captums_saliency(model: LoadedModel, twin: Twin, image: torch.Tensor):
    theirs = Saliency(twin).attribute(image, target=TARGET, abs=True)[0].amax(dim=0)
    close(explain(model, "gradient"), theirs.detach().numpy(), 9 * MAPS)


def test_input_x_gradient_is_captums(model: LoadedModel, twin: Twin, image: torch.Tensor):
    theirs = InputXGradient(twin).attribute(image, target=TARGET)[0].sum(dim=0)
    close(explain(model, "input_x_gradient"), theirs.detach().numpy(), 9 * MAPS)


def test_integrated_gradients_are_captums_under_the_same_rule(
    model: LoadedModel, twin: Twin, image: torch.Tensor
):
    """Points are float32 here: a gate within rounding of a point may flip, so the path is kept away from that."""
    baseline = torch.from_numpy(channel_mean(PIXELS)).double()[None]
    theirs = (
        IntegratedGradients(twin)
        .attribute(image, baseline, target=TARGET, n_steps=20, method="riemann_middle")[0]
        .sum(dim=0)
    )
    ours = explain(model, "integrated_gradients", steps=20, maximum_steps=20, baseline="channel_mean")
    close(ours, theirs.detach().numpy(), 9 * MAPS)


def test_grad_cam_is_captums_before_its_relu(model: LoadedModel, twin: Twin, image: torch.Tensor):
    theirs = LayerGradCam(twin, twin.features).attribute(image, target=TARGET, relu_attributions=False)
    close(explain(model, "grad_cam"), theirs.detach().numpy()[0, 0], 9 * MAPS)


@pytest.mark.parametrize(
    ("method", "peer"),
    [
        ("grad_cam", GradCAM),
        ("x_grad_cam", XGradCAM),
        ("layer_cam", LayerCAM),
        ("grad_cam_plus_plus", GradCAMPlusPlus),
    ],
)
def test_class_activation_maps_are_those_of_pytorch_grad_cam(twin: Twin, method: str, peer: type[BaseCAM]):
    """Its formulas on the same feature maps and gradients.

    It adds up to 1e-6 to divisors that we leave alone. Gradients of at least 1/2 keep those above 1/2, so
    that this changes a term by 2e-6 at most; float32 sums of 120 terms add as much again.
    """
    features = RNG.random((1, MAPS, 5, 4))
    gradient = RNG.uniform(0.5, 2, features.shape) * RNG.choice([-1, 1], features.shape)
    with peer(model=twin, target_layers=[twin.features]) as extractor:
        if method == "layer_cam":  # it has no weight per map
            theirs = extractor.get_cam_image(None, None, None, features, gradient, eigen_smooth=False)
        else:
            weight = extractor.get_cam_weights(None, None, None, features, gradient)
            theirs = (weight[:, :, None, None] * features).sum(axis=1)
    same_size = {"rows": np.eye(5, dtype=np.float32), "columns": np.eye(4, dtype=np.float32)}
    arrays = {"features": features.astype(np.float32), "feature_gradient": gradient.astype(np.float32)}
    ours = getattr(PROGRAMS, method)({**arrays, **same_size})["map"].numpy()
    np.testing.assert_allclose(ours, theirs[0], rtol=0, atol=1e-5 * float(np.abs(theirs).max()))
