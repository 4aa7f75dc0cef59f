import captum.attr
import pytest
import torch
from torch import nn

from training.config import SaliencyConfig
from training.errors import ConfigurationError
from training.grad_cam import feature_layer, grad_cam
from training.modes import evaluating
from training.saliency import (
    input_gradient,
    integrated_gradients,
    pool_patches,
    reduce_channels,
    refine,
    saliency,
    smooth_gradient,
)
from training.scalar import scalar_of


def test_the_gradient_is_captums(network, images, labels):
    network.eval()
    gradient, logits = input_gradient(network, images, labels)
    expected = captum.attr.Saliency(network).attribute(images.requires_grad_(), labels, abs=False)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=0)
    torch.testing.assert_close(logits, network(images).detach(), rtol=0, atol=0)


def test_integrated_gradients_are_captums(network, images, labels, generator):
    """Both use the midpoint rule with the same points; only the order of additions differs."""
    network.eval()
    options = SaliencyConfig(method="integrated_gradients", samples=6)
    found = integrated_gradients(network, images, labels, options, generator)
    baseline = images.mean((2, 3), keepdim=True).expand_as(images)
    method = captum.attr.IntegratedGradients(network)
    expected = method.attribute(images, baseline, labels, n_steps=6, method="riemann_middle")
    torch.testing.assert_close(found, expected.float(), rtol=1e-4, atol=1e-6)


def test_grad_cam_is_captums(network, images, labels):
    network.eval()
    found, _ = grad_cam(network, images, labels, "logit")
    layer = feature_layer(network, images[:1])
    inner = captum.attr.LayerGradCam(network, layer).attribute(images, labels, relu_attributions=True)
    expected = captum.attr.LayerAttribution.interpolate(inner, (8, 8), "bilinear")[:, 0]
    torch.testing.assert_close(found, expected.detach(), rtol=1e-5, atol=1e-7)


def test_smoothing_a_constant_gradient_changes_nothing(images, labels, generator):
    """The gradient of a linear network is the same everywhere, so its average over noise is too."""
    linear = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    plain, _ = input_gradient(linear, images, labels)
    options = SaliencyConfig(method="smooth_gradient", samples=4, noise=0.5)
    torch.testing.assert_close(smooth_gradient(linear, images, labels, options, generator), plain)


def test_a_confident_image_has_no_loss_gradient_but_a_logit_gradient(images, labels):
    """T2: softmax minus one-hot underflows; a map of the loss would rank nothing at all."""
    linear = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    with torch.no_grad():
        linear[1].bias.copy_(torch.tensor([200.0, 0.0, 0.0]))
    zeros = torch.zeros_like(labels)
    loss, _ = input_gradient(linear, images, zeros, "loss")
    logit, _ = input_gradient(linear, images, zeros, "logit")
    assert loss.abs().max() == 0
    torch.testing.assert_close(logit[0].flatten(), linear[1].weight[0])


@pytest.mark.parametrize(
    ("scalar", "expected"),
    [
        ("logit", 3.0),
        ("margin", 1.0),
        ("log_probability", -0.4076059644443804),
        ("loss", 0.4076059644443804),
    ],
)
def test_each_scalar_has_its_closed_form(scalar, expected):
    """Logits 1, 2, 3: log(e + e^2 + e^3) = 3.4076059644443804."""
    found = scalar_of(torch.tensor([[2.0, 3.0, 1.0]]), torch.tensor([1]), scalar)
    assert found.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("how", "expected"), [("max", 2.0), ("mean", 4 / 3), ("l2", 8**0.5)])
def test_channels_that_disagree_do_not_cancel(how, expected):
    """T4: the mean of the signed gradients +2, -2, 0 is 0; this pixel matters."""
    values = torch.tensor([2.0, -2.0, 0.0]).view(1, 3, 1, 1)
    assert reduce_channels(values, how).item() == pytest.approx(expected)


def test_unknown_reduction_is_refused():
    with pytest.raises(ConfigurationError, match="median"):
        reduce_channels(torch.zeros(1, 3, 1, 1), "median")


def test_patches_are_ranked_whole(images):
    """T11: a mask inside a token would be salt and pepper to a vision transformer."""
    pooled = pool_patches(images[:, 0], 4)
    blocks = pooled.unfold(1, 4, 4).unfold(2, 4, 4).flatten(3)
    assert (blocks == blocks[..., :1]).all()
    torch.testing.assert_close(blocks[..., 0][0, 0, 1], images[0, 0, :4, 4:].mean())


def test_patches_must_fill_the_image(images):
    with pytest.raises(ConfigurationError, match="8x8"):
        pool_patches(images[:, 0], 3)


def test_a_map_of_zeros_stays_finite():
    assert (refine(torch.zeros(2, 4, 4), SaliencyConfig()) == 0).all()


def test_smoothing_averages_what_is_there():
    """At a corner a 3x3 window holds four pixels; those outside do not count as zeros."""
    smoothed = refine(torch.ones(1, 4, 4), SaliencyConfig(smoothing=3))
    assert (smoothed == 1).all()


@pytest.mark.parametrize(
    "method", ["gradient", "gradient_times_input", "smooth_gradient", "integrated_gradients", "grad_cam"]
)
def test_every_map_is_normalised_and_leaves_no_gradient_behind(method, network, images, labels, generator):
    """T8: a .grad left behind would be added to the next step's."""
    with evaluating(network):
        found = saliency(network, images, labels, SaliencyConfig(method=method, samples=2), generator)
    assert found.map.shape == (5, 8, 8)
    assert found.map.min() >= 0
    assert (found.map.amax((1, 2)) <= 1).all()
    assert all(weights.grad is None for weights in network.parameters())
