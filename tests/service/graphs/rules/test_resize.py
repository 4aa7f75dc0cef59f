"""Resizing against torch.autograd where torch has the mode, and against finite maps where it has not."""

from typing import Any

import numpy as np
import pytest
from onnx import helper
from torch.nn import functional

from service.errors import UnsupportedOperatorError
from tests.autograd import assert_gradient

MODES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "nearest": ("nearest", "asymmetric", {"mode": "nearest"}),
    "bilinear": ("linear", "half_pixel", {"mode": "bilinear"}),
    "aligned": ("linear", "align_corners", {"mode": "bilinear", "align_corners": True}),
    "bicubic": ("cubic", "half_pixel", {"mode": "bicubic"}),
}


@pytest.mark.parametrize("size", [(9, 13), (3, 4), (10, 12), (5, 9)])
@pytest.mark.parametrize("name", MODES)
def test_resizing_has_pytorchs_gradient(name: str, size: tuple[int, int]) -> None:
    """Up, down, by whole factors, and one axis only."""
    mode, transformation, options = MODES[name]
    image = np.random.default_rng(0).normal(size=(1, 3, 5, 6))
    assert_gradient(
        helper.make_node(
            "Resize",
            ["image", "", "", "sizes"],
            ["y"],
            mode=mode,
            coordinate_transformation_mode=transformation,
            nearest_mode="floor",
            cubic_coeff_a=-0.75,
        ),
        image,
        lambda x: functional.interpolate(x, size=size, **options),
        constants={"sizes": np.array([1, 3, *size])},
        free_batch=False,
        exact=False,
    )


@pytest.mark.parametrize("name", MODES)
def test_resizing_by_scales_has_pytorchs_gradient(name: str) -> None:
    """The stated scale counts, not the quotient of the lengths."""
    mode, transformation, options = MODES[name]
    image = np.random.default_rng(0).normal(size=(2, 3, 5, 6))
    assert_gradient(
        helper.make_node(
            "Resize",
            ["image", "", "scales"],
            ["y"],
            mode=mode,
            coordinate_transformation_mode=transformation,
            nearest_mode="floor",
            cubic_coeff_a=-0.75,
        ),
        image,
        lambda x: functional.interpolate(x, scale_factor=(2.0, 1.5), recompute_scale_factor=False, **options),
        constants={"scales": np.array([1, 1, 2, 1.5], np.float32)},
        exact=False,
    )


def test_resizing_channels_is_refused() -> None:
    """No classifier does."""
    with pytest.raises(UnsupportedOperatorError, match="Resize"):
        assert_gradient(
            helper.make_node("Resize", ["image", "", "scales"], ["y"]),
            np.ones((2, 3, 4, 4)),
            lambda x: x.repeat_interleave(2, 1),
            constants={"scales": np.array([1, 2, 1, 1], np.float32)},
        )
