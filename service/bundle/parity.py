"""Measure how closely the graphs of a bundle reproduce what they were made from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto
from onnxruntime import InferenceSession

from service.arrays import Image
from service.bundle.differences import STEPS, Point, check_gradients
from service.bundle.evidence import ErrorSummary, FiniteDifferences
from service.bundle.float64 import Array64, Float64Graph
from service.bundle.framework import one_hot
from service.bundle.original import OriginalClassifier
from service.errors import BundleBuildError, GraphError
from service.graphs.session import RUNTIME_ERRORS, open_session
from service.graphs.tidy import remove_dead_nodes

DIFFERENCE_IMAGES = 2
"""Finite differences cost seconds per pass on a large model; a wrong rule shows on any image."""

INSIDE = 1e-3
"""How far from black and white images are kept: a classifier may bend there, as where it clips its input or raises it
to a power, and no step of the differences may cross that. A tenth of it would do, and rounding has to fit in, too."""

LARGEST_OUTPUT_ERROR = 1e-3
"""Over the largest output. Folding and reordering float32 arithmetic gives 1e-6, a different function about 1."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to check.

    Args:
        images: ``[3, H, W]`` each; finite differences are taken on the first two.
        directions: Directions of finite differences per image; 0 switches them off.
    """

    images: Sequence[Image]
    directions: int

    @property
    def passes(self) -> int:
        """Passes of the classifier in float64 that finite differences of one gradient cost."""
        ends = 2 * len(STEPS) * self.directions
        return len(self.images[:DIFFERENCE_IMAGES]) * (1 + ends) if ends else 0


def compare_outputs(
    original: OriginalClassifier,
    classify: InferenceSession,
    images: Sequence[Image],
    *,
    ends_in_probabilities: bool,
) -> ErrorSummary:
    """Compare the prepared classifier with the file it was made from.

    Args:
        original: The file as it came.
        classify: ``image -> logits``.
        images: ``[3, H, W]`` each.
        ends_in_probabilities: Whether the file ends in a softmax or sigmoid, which the prepared graph does not.

    Returns:
        Largest absolute difference of every image's outputs.

    Raises:
        BundleBuildError: They are not the same function, or the file gives no numbers.
    """
    after = AFTER[original.last_operator] if ends_in_probabilities else np.positive
    errors = []
    for image in images:
        [logits] = classify.run(["logits"], {"image": image[None]})
        expected = original(image)
        if not np.isfinite(expected).all():
            raise BundleBuildError(
                "the file itself gives NaN or infinity for an image in [0, 1]; check its weights, and --mean, --std and "
                "--pixel-range"
            )
        errors.append(np.abs(after(_wide(logits[0])) - expected).max())
        if not errors[-1] <= LARGEST_OUTPUT_ERROR * np.abs(expected).max():
            raise BundleBuildError(
                f"the prepared classifier differs from the original file by {errors[-1]:.1e}, where the largest output "
                f"is {np.abs(expected).max():.1e}; the file cannot be bundled. Please report the model."
            )
    return ErrorSummary.of(errors)


def inside(image: Image) -> Image:
    """Keep an image away from the ends of [0, 1], and its pixels from being equal there, where they tie for a maximum."""
    grain = np.random.default_rng(0).random(image.shape)
    return (INSIDE * (1 + grain) + (1 - 3 * INSIDE) * image).astype(np.float32)


def is_finite(derivative: ModelProto, output: str, effort: Effort) -> bool:
    """Say whether what a derivative gives for the top class of an image holds neither NaN nor infinity.

    Raises:
        GraphError: ONNX Runtime cannot run it.
    """
    session = open_session(derivative, optimise=True)
    for image in effort.images[:DIFFERENCE_IMAGES]:
        inputs = {"image": inside(image)[None]}
        try:
            [found] = session.run([output], {**inputs, "cotangent": _top_class(session, inputs)})
        except RUNTIME_ERRORS as error:
            raise GraphError(f"ONNX Runtime cannot run the derivative: {error}") from error
        if not np.isfinite(found).all():
            return False
    return True


def check_image_gradient(classifier: ModelProto, gradient: ModelProto, effort: Effort) -> FiniteDifferences:
    """Check ``gradient.onnx`` for the top class of every image.

    Raises:
        GraphError: The logits cannot be computed in float64.
    """
    session, forward = open_session(gradient, optimise=True), open_session(classifier, optimise=True)
    points, logits = [], []
    for image in effort.images[:DIFFERENCE_IMAGES]:
        inputs = {"image": inside(image)[None]}
        cotangent = _top_class(session, inputs)
        [found] = session.run(["gradient"], {**inputs, "cotangent": cotangent})
        points.append(Point(_widened(inputs), "image", _wide(cotangent), _wide(found)))
        logits.extend(forward.run(["logits"], inputs))
    exact = _in_float64(classifier, points, logits)
    return check_gradients(exact, points, directions=effort.directions)


def check_feature_gradient(features: ModelProto, effort: Effort) -> FiniteDifferences:
    """Check ``features.onnx`` for the top class of every image, with the features moved freely.

    Raises:
        GraphError: The logits do not pass through the features, or cannot be computed in float64.
    """
    session = open_session(features, optimise=True)
    behind, layer = _behind(features)
    points, logits = [], []
    for image in effort.images[:DIFFERENCE_IMAGES]:
        inputs = {"image": image[None]}
        cotangent = _top_class(session, inputs)
        activation, found, answer = session.run(
            ["features", "feature_gradient", "logits"], {**inputs, "cotangent": cotangent}
        )
        logits.append(answer)
        points.append(Point(_widened({**inputs, layer: activation}), layer, _wide(cotangent), _wide(found)))
    exact = _in_float64(behind, points, logits)
    return check_gradients(exact, points, directions=effort.directions)


def _in_float64(
    model: ModelProto, points: Sequence[Point], logits: Sequence[NDArray[np.float32]]
) -> Float64Graph:
    """Open a graph for differences, and see that it is the function that is served.

    Raises:
        GraphError: ONNX's reference evaluator means something else by an operator, as by LRN, or by a max pooling
            whose borders are uneven.
    """
    graph = Float64Graph(model)
    for point, expected in zip(points, logits, strict=True):
        error = np.abs(graph(point.inputs, "logits") - expected).max()
        if not error <= LARGEST_OUTPUT_ERROR * np.abs(expected).max():
            raise GraphError(
                f"ONNX's reference evaluator gives logits that are off by {error:.1e}, so differences of it say nothing "
                "of the gradient"
            )
    return graph


def _behind(features: ModelProto) -> tuple[ModelProto, str]:
    """Cut the graph at its features: they become an input, the logits the only output."""
    behind = ModelProto()
    behind.CopyFrom(features)
    layer = next(node.input[0] for node in behind.graph.node if "features" in node.output)
    for node in behind.graph.node:
        for position, name in enumerate(node.output):
            if name == layer:
                node.output[position] = f"{layer}/computed"
    for values, name in ((behind.graph.output, "logits"), (behind.graph.input, "image")):
        kept = [value for value in values if value.name == name]
        del values[:]
        values.extend(kept)
    behind.graph.input.add().name = layer
    remove_dead_nodes(behind)
    if not any(layer in node.input for node in behind.graph.node):
        raise GraphError(
            f"the logits do not pass through {layer!r}, so its gradient cannot be checked", where=layer
        )
    return behind, layer


def _top_class(session: InferenceSession, inputs: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    classes = next(value.shape[1] for value in session.get_inputs() if value.name == "cotangent")
    [logits] = session.run(["logits"], {**inputs, "cotangent": one_hot(0, classes)})
    return one_hot(int(logits.argmax()), classes)


def _wide(array: NDArray[np.float32]) -> Array64:
    return array.astype(np.float64)


def _widened(inputs: dict[str, NDArray[np.float32]]) -> dict[str, Array64]:
    return {name: _wide(array) for name, array in inputs.items()}


def _sigmoid(logits: Array64) -> Array64:
    return np.asarray(1 / (1 + np.exp(-logits)))


def _log_softmax(logits: Array64) -> Array64:
    return np.asarray(logits - np.logaddexp.reduce(logits))


def _softmax(logits: Array64) -> Array64:
    return np.asarray(np.exp(_log_softmax(logits)))


AFTER: dict[str, Callable[[Array64], Array64]] = {
    "Softmax": _softmax,
    "LogSoftmax": _log_softmax,
    "Sigmoid": _sigmoid,
}
"""What the operators that :func:`service.graphs.prepare.prepare` cuts off do to the logits of one image."""
