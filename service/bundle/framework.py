"""The framework that made a model, asked for the answers that its graphs should give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from service.arrays import Image
from service.bundle.evidence import ErrorSummary, FrameworkParity


@dataclass(frozen=True, slots=True)
class FrameworkAnswer:
    """What the framework says of one image.

    Args:
        logits: ``[C]``, computed in float64.
        own_logits: ``[C]``, computed in float32.
        gradient: ``[3, H, W]``, of the logit asked for, computed in float64.
        own_gradient: ``[3, H, W]``, likewise in float32.
    """

    logits: NDArray[np.float64]
    own_logits: NDArray[np.float32]
    gradient: NDArray[np.float64]
    own_gradient: NDArray[np.float32]


class Framework(Protocol):
    """The model in its framework, taking RGB in [0, 1] as the bundle does."""

    @property
    def version(self) -> str:
        """Name and version, such as ``PyTorch 2.14.1``."""

    def __call__(self, image: Image, target: int) -> FrameworkAnswer:
        """Classify one image and differentiate the logit of *target* with respect to it."""


def compare_with_framework(
    framework: Framework,
    classify: InferenceSession,
    gradient: InferenceSession | None,
    images: Sequence[Image],
) -> FrameworkParity:
    """Measure the graphs' error against the framework in float64, beside the framework's own in float32.

    A float32 framework is no reference: where an activation is within rounding of a kink, two right float32
    gradients differ by 1e-3 or more. What counts is whether ours is as close to float64 as theirs.

    Args:
        framework: The model in its framework.
        classify: ``image -> logits``.
        gradient: ``image, cotangent -> gradient``; None if the bundle has none.
        images: ``[3, H, W]`` each; the target is the class that the graph puts first.

    Returns:
        Errors over the images.
    """
    logits, own_logits, gradients, own_gradients = [], [], [], []
    for image in images:
        [found] = classify.run(["logits"], {"image": image[None]})
        answer = framework(image, int(found.argmax()))
        logits.append(np.abs(found[0] - answer.logits).max())
        own_logits.append(np.abs(answer.own_logits - answer.logits).max())
        if gradient is not None:
            cotangent = one_hot(int(found.argmax()), found.shape[1])
            [ours] = gradient.run(["gradient"], {"image": image[None], "cotangent": cotangent})
            gradients.append(relative_error(ours[0], answer.gradient))
            own_gradients.append(relative_error(answer.own_gradient, answer.gradient))
    return FrameworkParity(
        framework=framework.version,
        logits=ErrorSummary.of(logits),
        own_logits=ErrorSummary.of(own_logits),
        gradient=ErrorSummary.of(gradients) if gradients else None,
        own_gradient=ErrorSummary.of(own_gradients) if own_gradients else None,
    )


def one_hot(target: int, classes: int) -> NDArray[np.float32]:
    """The cotangent ``[1, C]`` that asks for the gradient of one logit."""
    return np.eye(classes, dtype=np.float32)[[target]]


def relative_error(found: NDArray[np.float32], exact: NDArray[np.float64]) -> float:
    """L2 norm of the error over the L2 norm of the exact value.

    Examples:
        >>> relative_error(np.array([3, 4.5], np.float32), np.array([3.0, 4.0]))
        0.1
    """
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))
