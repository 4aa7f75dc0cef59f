"""A graph that is not what it was made from is found out."""

import numpy as np
import onnx
import pytest
from onnx import ModelProto, helper, numpy_helper

from service.bundle.evidence import ErrorSummary
from service.bundle.original import OriginalClassifier, Preprocessing, last_operator
from service.bundle.parity import Effort, check_feature_gradient, check_image_gradient, compare_outputs
from service.bundle.probe import probe_image
from service.errors import BundleBuildError, GraphError
from service.graphs.differentiate import features_graph, gradient_graph
from service.graphs.prepare import prepare
from service.graphs.session import open_session

IMAGES = [probe_image(16, 16, seed) for seed in range(2)]
EFFORT = Effort(IMAGES, directions=2)
# The small network has a few thousand activations; at a step of 1e-8 none of them crosses a kink, and the float32
# gradient is exact to rounding.
ROUNDING = 1e-5


def compare(original: ModelProto, prepared: ModelProto, *, probabilities: bool = False) -> ErrorSummary:
    return compare_outputs(
        OriginalClassifier(original, Preprocessing(), None),
        open_session(prepared, optimise=True),
        IMAGES,
        ends_in_probabilities=probabilities,
    )


def ending_in(classifier: ModelProto, operator: str) -> ModelProto:
    classifier.graph.node.append(helper.make_node(operator, ["scores"], ["p"]))
    classifier.graph.output[0].name = "p"
    return classifier


def scaled(model: ModelProto, name: str, factor: float) -> None:
    [tensor] = [tensor for tensor in model.graph.initializer if tensor.name == name]
    tensor.CopyFrom(
        numpy_helper.from_array((numpy_helper.to_array(tensor) * factor).astype(np.float32), name)
    )


def test_a_prepared_classifier_gives_the_outputs_of_its_file(classifier: ModelProto) -> None:
    found = compare(classifier, prepare(classifier))

    assert found.largest < 1e-5
    assert found.count == len(IMAGES)


def test_another_function_is_refused(classifier: ModelProto) -> None:
    prepared = prepare(classifier)
    scaled(prepared, "w3", 1.01)

    with pytest.raises(BundleBuildError, match="differs from the original file"):
        compare(classifier, prepared)


def test_outputs_that_are_not_numbers_are_refused(classifier: ModelProto) -> None:
    """Every comparison with NaN is false, so the question has to be asked the right way round."""
    prepared = prepare(classifier)
    scaled(prepared, "w3", float("nan"))

    with pytest.raises(BundleBuildError, match="differs from the original file"):
        compare(classifier, prepared)


def test_a_file_that_gives_no_numbers_is_refused(classifier: ModelProto) -> None:
    """The file is at fault, not what was made of it."""
    scaled(classifier, "w3", float("nan"))

    with pytest.raises(BundleBuildError, match="the file itself gives NaN"):
        compare(classifier, prepare(classifier))


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax", "Sigmoid"])
def test_probabilities_are_compared_with_probabilities(classifier: ModelProto, operator: str) -> None:
    """The prepared graph ends in logits; what was cut off is put back by numpy before comparing."""
    original = ending_in(classifier, operator)
    prepared = prepare(original, ends_in_probabilities=True)

    assert compare(original, prepared, probabilities=True).largest < 1e-5
    with pytest.raises(BundleBuildError):
        compare(original, prepared, probabilities=False)


def test_the_last_operator_of_a_file_is_named(classifier: ModelProto) -> None:
    assert last_operator(classifier, None) == "Gemm"
    assert last_operator(classifier, "d") == "Relu"
    assert last_operator(ending_in(classifier, "Softmax"), None) == "Softmax"


def test_the_original_is_run_with_its_own_preprocessing(classifier: ModelProto) -> None:
    """By hand: the same numbers as the bare file on an image normalised before."""
    preprocessing = Preprocessing(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    by_hand = (IMAGES[0] - np.array([0.5, 0.4, 0.3], np.float32)[:, None, None]) / np.array(
        [0.2, 0.3, 0.4], np.float32
    )[:, None, None]
    [expected] = open_session(classifier, optimise=False).run(["scores"], {"pixels": by_hand[None]})

    found = OriginalClassifier(classifier, preprocessing, None)(IMAGES[0])

    np.testing.assert_array_equal(found, expected[0])


def test_a_file_with_a_fixed_batch_is_run_at_that_batch(classifier: ModelProto) -> None:
    free = OriginalClassifier(classifier, Preprocessing(), None)(IMAGES[0])
    classifier.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    classifier.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 4

    fixed = OriginalClassifier(classifier, Preprocessing(), None)(IMAGES[0])

    np.testing.assert_allclose(fixed, free, rtol=1e-5)


def test_a_file_with_channels_last_is_fed_channels_last(classifier: ModelProto) -> None:
    expected = OriginalClassifier(classifier, Preprocessing(), None)(IMAGES[0])
    first = helper.make_node("Transpose", ["rows"], ["pixels"], perm=[0, 3, 1, 2])
    classifier.graph.node.insert(0, first)
    declared = helper.make_tensor_value_info("rows", onnx.TensorProto.FLOAT, ["N", 16, 16, 3])
    classifier.graph.input[0].CopyFrom(declared)

    found = OriginalClassifier(classifier, Preprocessing(), None)(IMAGES[0])

    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        ((0, 0, 0), (1, 0, 1)),
        ((0, 0, 0), (1, -1, 1)),
        ((0, float("nan"), 0), (1, 1, 1)),
        ((0, 0, 0), (1, float("inf"), 1)),
    ],
)
def test_what_is_no_normalisation_is_refused(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    with pytest.raises(BundleBuildError, match="are no normalisation"):
        Preprocessing(mean=mean, std=std)  # type: ignore[arg-type]


def test_a_right_gradient_agrees_with_differences(classifier: ModelProto) -> None:
    prepared = prepare(classifier)

    found = check_image_gradient(prepared, gradient_graph(prepared), EFFORT)

    assert found.errors.largest < ROUNDING
    assert found.errors.count == 4


def test_the_gradient_of_another_classifier_does_not(classifier: ModelProto) -> None:
    prepared = prepare(classifier)
    other = gradient_graph(prepared)
    scaled(other, "w2", -1.0)

    assert check_image_gradient(prepared, other, EFFORT).errors.median > 0.5


def test_a_right_feature_gradient_agrees_with_differences(classifier: ModelProto) -> None:
    prepared = prepare(classifier)

    found = check_feature_gradient(features_graph(prepared, "d"), EFFORT)

    assert found.errors.largest < ROUNDING


def test_features_in_the_middle_are_moved_with_all_that_follows(classifier: ModelProto) -> None:
    """The first convolution's output: behind it lie a ReLU, a convolution and the classifier."""
    prepared = prepare(classifier)

    found = check_feature_gradient(features_graph(prepared, "b"), EFFORT)

    assert found.errors.largest < ROUNDING


def test_a_wrong_feature_gradient_is_seen(classifier: ModelProto) -> None:
    """The flip of a sign, behind which every figure still looks plausible."""
    wrong = features_graph(prepare(classifier), "b")
    next(node for node in wrong.graph.node if "feature_gradient" in node.output).op_type = "Neg"

    assert check_feature_gradient(wrong, EFFORT).errors.median > 0.1


def test_features_beside_the_path_to_the_logits_cannot_be_checked(classifier: ModelProto) -> None:
    """Moving them moves nothing, which must not be mistaken for a wrong gradient."""
    graph = features_graph(prepare(classifier), "d")
    last = next(node for node in graph.graph.node if "features" in node.output)
    last.input[0] = "copied"
    graph.graph.node.insert(len(graph.graph.node) - 3, helper.make_node("Identity", ["d"], ["copied"]))

    with pytest.raises(GraphError, match="the logits do not pass through 'copied'"):
        check_feature_gradient(graph, EFFORT)


def test_the_cost_is_told_in_passes() -> None:
    """Two ends, three steps, two directions, and where they start, of two images: announced before minutes of work."""
    assert EFFORT.passes == 2 * (1 + 2 * 3 * 2)
    assert Effort([*IMAGES, *IMAGES], directions=2).passes == EFFORT.passes
    assert Effort(IMAGES, directions=0).passes == 0
