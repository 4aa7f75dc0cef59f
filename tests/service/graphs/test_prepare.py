"""What a classifier looks like once it is prepared, and what is refused."""

from collections.abc import Callable

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from service.errors import GraphError
from service.graphs.differentiate import gradient_graph
from service.graphs.opset import OPSET
from service.graphs.prepare import prepare
from tests.autograd import evaluate_single

Make = Callable[..., ModelProto]
IMAGES = np.random.default_rng(1).uniform(size=(4, 3, 8, 8)).astype(np.float32)


def logits(model: ModelProto, images: np.ndarray = IMAGES) -> np.ndarray:
    return np.asarray(evaluate_single(model, {model.graph.input[0].name: images})[0])


def operators(model: ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_the_ends_have_their_names_and_the_batch_is_open(classifier: Make) -> None:
    """Whatever the file called them, and whatever else has those names inside."""
    brought = classifier("logits = Neg (x) image = Abs (logits) features = Relu (image)")

    prepared = prepare(brought)

    checker.check_model(prepared, full_check=True)
    assert [
        (entry.name, [d.dim_param or d.dim_value for d in entry.type.tensor_type.shape.dim])
        for entry in [*prepared.graph.input, *prepared.graph.output]
    ] == [
        ("image", ["N", 3, 8, 8]),
        ("logits", ["N", 5]),
    ]
    np.testing.assert_allclose(logits(prepared), logits(brought), rtol=1e-6)


def test_what_is_brought_is_not_changed(classifier: Make) -> None:
    """Builders use the file for more than one thing."""
    brought = classifier()
    before = brought.SerializeToString(deterministic=True)
    prepare(brought, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    assert brought.SerializeToString(deterministic=True) == before


def test_preparing_twice_changes_nothing_more(classifier: Make) -> None:
    """So a prepared classifier may be brought again."""
    once = prepare(classifier("c = Sigmoid (x) features = Mul (x, c)"))
    np.testing.assert_array_equal(logits(prepare(once)), logits(once))


def test_normalisation_lies_inside(classifier: Make) -> None:
    """``(image - mean) / std`` per channel, in float32 as PyTorch does it."""
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    brought = classifier()
    axes = (1, 3, 1, 1)
    normalised = (IMAGES - np.array(mean, np.float32).reshape(axes)) / np.array(std, np.float32).reshape(axes)
    np.testing.assert_allclose(
        logits(prepare(brought, mean=mean, std=std)), logits(brought, normalised), rtol=1e-5
    )


def test_no_normalisation_writes_no_node(classifier: Make) -> None:
    """A model that takes [0,1] costs nothing more."""
    assert operators(prepare(classifier())) == ["Relu", "GlobalAveragePool", "Flatten", "Gemm"]


def test_channels_last_images_are_turned(classifier: Make) -> None:
    """TensorFlow's order."""
    brought = classifier(
        "first = Transpose <perm: ints = [0, 3, 1, 2]> (x) features = Relu (first)", image="float[N,8,8,3] x"
    )
    np.testing.assert_allclose(
        logits(prepare(brought)), logits(brought, IMAGES.transpose(0, 2, 3, 1).copy()), rtol=1e-6
    )


@pytest.mark.parametrize(
    "image", ["float[N,8,8,3] x", "float[N,H,W,C] x", "float[N,8,8,C] x", "float[N,3,8,3] x"]
)
def test_the_order_of_axes_can_be_stated(classifier: Make, image: str) -> None:
    """A shape that leaves the channels open, or has two axes of 3, does not tell; pixel values are never asked."""
    size = (3, 8) if ",3,8," in image else (8, 8)
    pixels = IMAGES[:, :, : size[0]]
    brought = classifier("features = Transpose <perm: ints = [0, 3, 1, 2]> (x)", image=image)
    np.testing.assert_allclose(
        logits(prepare(brought, size=size, axes="NHWC"), pixels),
        logits(brought, pixels.transpose(0, 2, 3, 1).copy()),
        rtol=1e-6,
    )


def test_open_height_and_width_take_the_stated_size(classifier: Make) -> None:
    """Fully convolutional exports leave them open."""
    brought = classifier(image="float[N,3,H,W] x")
    np.testing.assert_allclose(logits(prepare(brought, size=(8, 8))), logits(brought), rtol=1e-6)


@pytest.mark.parametrize("operator", ["Softmax", "Sigmoid", "LogSoftmax"])
def test_probabilities_are_cut_off_when_told(classifier: Make, operator: str) -> None:
    """Told, never guessed: without the word the softmax stays."""
    brought = classifier(outputs="float[N,5] p")
    brought.graph.node.append(helper.make_node(operator, ["scores"], ["p"]))

    np.testing.assert_allclose(
        logits(prepare(brought, ends_in_probabilities=True)), logits(prepare(classifier())), rtol=1e-6
    )
    assert operators(prepare(brought))[-1] == operator


def test_probabilities_are_cut_off_before_an_identity(classifier: Make) -> None:
    """TensorFlow's exports name their outputs by an Identity behind the last operator."""
    brought = classifier(outputs="float[N,5] output")
    brought.graph.node.append(helper.make_node("Softmax", ["scores"], ["probabilities"]))
    brought.graph.node.append(helper.make_node("Identity", ["probabilities"], ["output"]))
    np.testing.assert_allclose(
        logits(prepare(brought, ends_in_probabilities=True)), logits(prepare(classifier())), rtol=1e-6
    )


def test_a_tensor_that_is_called_logits_and_is_none_is_renamed(classifier: Make) -> None:
    """Here the scores are a multiple of ``logits``, which is inside, and the output their softmax."""
    brought = classifier(
        outputs="float[N,5] output",
        head="""
          pooled = GlobalAveragePool (features)
          flat = Flatten <axis: int = 1> (pooled)
          logits = Gemm <transB: int = 1> (flat, head)
          scores = Add (logits, logits)
          output = Softmax (scores)
        """,
    )
    np.testing.assert_allclose(
        logits(prepare(brought, ends_in_probabilities=True)), 2 * logits(prepare(classifier())), rtol=1e-6
    )


def test_one_of_several_outputs_is_chosen_by_name(classifier: Make) -> None:
    """Auxiliary heads and embeddings are dropped."""
    brought = classifier(outputs="float[N,5] scores, float[N,3] flat")
    prepared = prepare(brought, logits="scores")
    assert [entry.name for entry in prepared.graph.output] == ["logits"]
    np.testing.assert_allclose(logits(prepared), logits(classifier()), rtol=1e-6)


def test_logits_with_empty_axes_are_flattened(classifier: Make) -> None:
    """As of a convolutional head."""
    brought = classifier(outputs="float[N,3,1,1] pooled", head="pooled = GlobalAveragePool (features)")
    assert logits(prepare(brought)).shape == (4, 3)


def test_batch_normalisation_folds_into_the_convolution(classifier: Make) -> None:
    """ONNX Runtime does it; the derivative then has nothing to do for it."""
    random = np.random.default_rng(2)
    brought = classifier(
        "c = Conv <pads: ints = [1, 1, 1, 1]> (x, w) b = BatchNormalization (c, s, t, m, v) features = Relu (b)",
        channels=4,
    )
    for name, shape in {"w": (4, 3, 3, 3), "s": (4,), "t": (4,), "m": (4,), "v": (4,)}.items():
        values = random.uniform(0.5, 1.5, size=shape).astype(np.float32)
        brought.graph.initializer.append(numpy_helper.from_array(values, name))
    assert operators(prepare(brought)) == ["Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm"]
    np.testing.assert_allclose(logits(prepare(brought)), logits(brought), rtol=1e-5)


@pytest.mark.parametrize("before", ["Neg", "Relu", "Cast <to: int = 1>"])
@pytest.mark.parametrize("options", ["", "value", "value, axes"])
def test_a_border_of_zeros_before_max_pooling_stays_one(classifier: Make, before: str, options: str) -> None:
    """ONNX Runtime 1.31 makes it the pooling's own border, which is of minus infinity: another function where all
    that a window sees is negative, as in Keras's ResNet50V2."""
    inputs = ", ".join(filter(None, ["a", "border", options]))
    brought = classifier(
        f"a = {before} (x) b = Pad ({inputs}) "
        "features = MaxPool <kernel_shape: ints = [3, 3], strides: ints = [2, 2], pads: ints = [0, 0, 0, 0]> (b)"
    )
    for name, value in {
        "border": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "value": np.float32(0),
        "axes": np.array([0, 1, 2, 3]),
    }.items():
        if name in inputs:
            brought.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    images = IMAGES - 0.5
    mapped = {"Neg": -images, "Relu": np.maximum(images, 0)}.get(before, images)
    bordered = np.pad(mapped, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(bordered, (3, 3), (2, 3))[:, :, ::2, ::2]
    head = numpy_helper.to_array(brought.graph.initializer[0])
    expected = windows.max((4, 5)).mean((2, 3)) @ head.T
    np.testing.assert_allclose(logits(prepare(brought), images), expected, rtol=1e-5, atol=1e-6)


def test_shape_arithmetic_becomes_constants(classifier: Make) -> None:
    """What exporters compute from lengths that never change is computed once, here."""
    brought = classifier(
        "shape = Shape (x) height = Gather (shape, two) half = Div (height, two) "
        "cut = Slice (x, zero, half, two) features = Relu (cut)"
    )
    for name, value in {"two": 2, "zero": 0}.items():
        brought.graph.initializer.append(numpy_helper.from_array(np.array([value]), name))
    assert operators(prepare(brought)) == ["Slice", "Relu", "GlobalAveragePool", "Flatten", "Gemm"]
    np.testing.assert_allclose(logits(prepare(brought)), logits(brought), rtol=1e-6)


REFUSED: dict[str, tuple[dict[str, str], dict[str, object], str]] = {
    "no image": (
        {"image": "float[N,3] x", "body": "", "head": "scores = Gemm <transB: int = 1> (x, head)"},
        {},
        "no image",
    ),
    "integers": (
        {"image": "uint8[N,3,8,8] x", "body": "f = Cast <to: int = 1> (x) features = Relu (f)"},
        {},
        "uint8",
    ),
    "half precision": (
        {"image": "float16[N,3,8,8] x", "body": "f = Cast <to: int = 1> (x) features = Relu (f)"},
        {},
        "float16",
    ),
    "a batch of three grey images": (
        {"image": "float[3,1,8,8] x"},
        {},
        r"\[3,1,8,8\] is no image",
    ),
    "height of three": ({"image": "float[N,8,3,8] x"}, {}, "is no image"),
    "open channels": (
        {"image": "float[N,C,H,W] x"},
        {"size": (8, 8)},
        "does not tell which axis holds the 3 channels; state the order of its axes: NCHW or NHWC",
    ),
    "two axes of three": ({"image": "float[N,3,8,3] x"}, {}, "does not tell which axis"),
    "the other order": ({}, {"axes": "NHWC"}, r"is no image; expected .*, stated as NHWC"),
    "two inputs": ({"image": "float[N,3,8,8] x, float[N,3,8,8] z"}, {}, "2 inputs.*constant of the file"),
    "open size": ({"image": "float[N,3,H,W] x"}, {}, "height and width open"),
    "another size": ({}, {"size": (9, 9)}, "fixed height and width"),
    "two outputs": ({"outputs": "float[N,5] scores, float[N,3] flat"}, {}, "2 outputs"),
    "no such output": ({}, {"logits": "nowhere"}, "no output 'nowhere'"),
    "no probabilities": ({}, {"ends_in_probabilities": True}, "ends in Gemm"),
    "a map as output": (
        {"outputs": "float[N,3,8,8] features", "head": ""},
        {},
        r"expected float32 \[N, classes\]",
    ),
    "the image as output": ({"outputs": "float[N,3,8,8] x"}, {}, "no node computes the output"),
    "a weight as output": ({"outputs": "float[5,3] head"}, {}, "no node computes the output"),
    "an old opset": ({"opset": "12"}, {}, "opset 12"),
    "another domain": ({"body": "features = acme.Relu (x)", "domains": ', "acme" : 1'}, {}, "acme::Relu"),
    "an unknown operator": ({"body": "features = Frobnicate (x)"}, {}, "refuses the graph"),
    "a negative deviation": ({}, {"std": (1.0, -1.0, 1.0)}, "no normalisation"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_image_classifier_is_refused(classifier: Make, name: str) -> None:
    """Each with what was found and what was expected."""
    how, options, message = REFUSED[name]
    with pytest.raises(GraphError, match=message):
        prepare(classifier(**how), **options)  # type: ignore[arg-type]


def test_text_as_input_is_refused(classifier: Make) -> None:
    """A string tensor in the shape of an image."""
    brought = classifier()
    brought.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING
    with pytest.raises(GraphError, match="string"):
        prepare(brought)


def test_images_that_see_each_other_are_refused(classifier: Make) -> None:
    """Batch normalisation left in training mode gives every image the statistics of its batch."""
    brought = classifier("m = ReduceMean <keepdims: int = 1> (x, batch) c = Sub (x, m) features = Relu (c)")
    brought.graph.initializer.append(numpy_helper.from_array(np.array([0]), "batch"))
    with pytest.raises(GraphError, match="other images of the batch"):
        prepare(brought)


def test_dropout_in_training_mode_is_refused(classifier: Make) -> None:
    """No two runs agree; the message names it."""
    brought = classifier("features = Dropout (x, half, training)")
    for name, value in {"half": np.float32(0.5), "training": np.bool_(True)}.items():
        brought.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    with pytest.raises(GraphError, match="dropout in training mode"):
        prepare(brought)


@pytest.mark.parametrize("noise", ["RandomNormalLike", "RandomUniformLike"])
def test_random_numbers_are_refused(classifier: Make, noise: str) -> None:
    """ONNX Runtime gives every session the same ones, so two sessions agree, and two runs of one do not."""
    with pytest.raises(GraphError, match="from run to run"):
        prepare(classifier(f"noise = {noise} (x) noisy = Add (x, noise) features = Relu (noisy)"))


def test_a_batch_of_one_that_loses_its_axis_is_refused(classifier: Make) -> None:
    """Squeeze without axes drops a batch of one, and of one only."""
    with pytest.raises(GraphError, match="batch size is fixed at 1"):
        prepare(
            classifier(
                head="pooled = GlobalAveragePool (features) flat = Squeeze (pooled) "
                "turned = Transpose (head) scores = MatMul (flat, turned)",
                image="float[1,3,8,8] x",
                outputs="float[K] scores",
            )
        )


def test_a_type_that_numpy_lacks_is_refused(classifier: Make) -> None:
    """The classifier may use it, but what passes through it cannot be measured."""
    model = prepare(classifier("half = Cast <to: int = 16> (x) features = Cast <to: int = 1> (half)"))
    with pytest.raises(GraphError, match="bfloat16"):
        gradient_graph(model)


def test_a_function_that_calls_itself_is_refused(classifier: Make) -> None:
    brought = classifier("features = acme.Again (x)", domains=', "acme" : 1')
    sets = [helper.make_opsetid("", 18), helper.make_opsetid("acme", 1)]
    again = helper.make_node("Again", ["a"], ["b"], domain="acme")
    brought.functions.append(helper.make_function("acme", "Again", ["a"], ["b"], [again], sets))
    with pytest.raises(GraphError, match="recursive"):
        prepare(brought)


def test_a_model_exported_for_one_image_takes_any_batch(classifier: Make) -> None:
    """The batch size is written into Reshape's targets, and into the class token that Concat joins."""
    random = np.random.default_rng(3)
    body = """
      patches = Conv <strides: ints = [4, 4]> (x, w)
      flat_patches = Reshape (patches, tokens_shape)
      grid = Transpose <perm: ints = [0, 2, 1]> (flat_patches)
      tokens = Concat <axis: int = 1> (class_token, grid)
      turned = Transpose <perm: ints = [0, 2, 1]> (tokens)
      scored = MatMul (tokens, turned)
      weights = Softmax (scored)
      mixed = MatMul (weights, tokens)
      zero = Constant <value_int: int = 0> ()
      first = Gather <axis: int = 1> (mixed, zero)
      row = Reshape (first, row_shape)
      scores = Gemm <transB: int = 1> (row, head)
    """
    brought = classifier(body, image="float[1,3,8,8] x", outputs="float[1,5] scores", head="", channels=6)
    for name, value in {
        "w": random.normal(size=(6, 3, 4, 4)).astype(np.float32),
        "class_token": random.normal(size=(1, 1, 6)).astype(np.float32),
        "tokens_shape": np.array([1, 6, 4]),
        "row_shape": np.array([1, 6]),
    }.items():
        brought.graph.initializer.append(numpy_helper.from_array(value, name))

    found = logits(prepare(brought))

    alone = np.concatenate([logits(brought, image[None]) for image in IMAGES])
    np.testing.assert_allclose(found, alone, rtol=1e-5)


def test_a_batch_size_that_cannot_be_freed_is_refused(classifier: Make) -> None:
    """Here the batch is multiplied into an axis that is not the first."""
    brought = classifier(
        "turned = Transpose <perm: ints = [1, 0, 2, 3]> (x) flat = Reshape (turned, shape) "
        "scores = Gemm <transB: int = 1, transA: int = 1> (flat, head)",
        image="float[2,3,8,8] x",
        outputs="float[128,5] scores",
        head="",
    )
    brought.graph.initializer.append(numpy_helper.from_array(np.array([3, 128]), "shape"))
    with pytest.raises(GraphError):
        prepare(brought)


@pytest.mark.parametrize("opset", range(13, 27))
def test_every_opset_comes_to_the_same_one(classifier: Make, opset: int) -> None:
    """From the oldest accepted one to the newest that ONNX knows."""
    brought = classifier(
        "c = HardSwish (x) m = MaxPool <kernel_shape: ints = [2, 2]> (c) features = Sigmoid (m)"
        if opset > 13
        else "features = Sigmoid (x)",
        opset=opset,
    )
    prepared = prepare(brought)
    assert [entry.version for entry in prepared.opset_import] == [OPSET]
