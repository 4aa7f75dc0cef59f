import pytest
import torch

from training.config import ModelConfig
from training.errors import ConfigurationError
from training.models import build_network


@pytest.mark.parametrize("name", ["narrow-resnet", "torchvision:squeezenet1_1", "timm:test_resnet"])
def test_any_named_network_takes_pixels_and_answers_for_our_classes(name):
    network = build_network(ModelConfig(name=name), 7).eval()
    assert network(torch.rand(2, 3, 64, 64)).shape == (2, 7)


def test_normalisation_is_inside(images):
    """T6: epsilon means pixels only if nothing outside scales them."""
    network = build_network(ModelConfig(mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 0.125), width=4), 3).eval()
    seen = []
    network.network.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    network(images)
    expected = torch.stack(
        [(images[:, 0] - 0.1) / 0.5, (images[:, 1] - 0.2) / 0.25, (images[:, 2] - 0.3) / 0.125], 1
    )
    torch.testing.assert_close(seen[0], expected)


@pytest.mark.parametrize("name", ["resnet18", "torchvision:nosuch", "timm:nosuch", "elsewhere:resnet18"])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(ConfigurationError, match="torchvision:resnet18"):
        build_network(ModelConfig(name=name), 2)
