"""From the file that somebody brings to a bundle, and every way in which that fails."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from service.bundle.build import Oracles, build_bundle
from service.bundle.card import card_of
from service.bundle.load import Bundle, load_bundle
from service.bundle.original import Preprocessing
from service.bundle.recipe import Recipe
from service.errors import BundleBuildError, GraphError, SaliserveError
from service.graphs.differentiate import gradient_graph
from service.imaging.resize import Stretch

Build = Callable[..., Bundle]


@pytest.fixture
def build(tmp_path: Path, recipe: Recipe, saved: Callable[[ModelProto], Path]) -> Build:
    """Build a model with some of the recipe changed."""

    def build_it(model: ModelProto, *, directions: int = 0, force: bool = False, **changes: object) -> Bundle:
        changed = replace(recipe, **changes)  # type: ignore[arg-type]
        return build_bundle(
            saved(model), changed, tmp_path / "models", oracles=Oracles(directions=directions), force=force
        )

    return build_it


def run(path: Path, **inputs: object) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found: list[NDArray[np.float32]] = session.run(None, inputs)
    return found


IMAGE = np.random.default_rng(3).random((2, 3, 16, 16)).astype(np.float32)


def test_the_bundle_classifies_as_the_file_does(build: Build, classifier: ModelProto, tmp_path: Path) -> None:
    bundle = build(classifier)

    [expected] = run(tmp_path / "brought.onnx", pixels=IMAGE)
    [found] = run(bundle.classify, image=IMAGE)

    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_all_graphs_give_the_same_logits(built: Path) -> None:
    """The map explains the prediction that was served, not one of a sister graph."""
    cotangent = np.eye(5, dtype=np.float32)[[1, 4]]

    [plain] = run(built / "classify.onnx", image=IMAGE)
    for name in ("gradient.onnx", "features.onnx"):
        np.testing.assert_allclose(run(built / name, image=IMAGE, cotangent=cotangent)[0], plain, rtol=1e-5)


def test_normalisation_goes_inside(build: Build, classifier: ModelProto, tmp_path: Path) -> None:
    bundle = build(classifier, preprocessing=Preprocessing(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4)))
    mean, std = (np.array(v, np.float32).reshape(1, 3, 1, 1) for v in ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)))

    [expected] = run(tmp_path / "brought.onnx", pixels=(IMAGE - mean) / std)
    [found] = run(bundle.classify, image=IMAGE)

    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_manifest_says_what_was_told(build: Build, classifier: ModelProto) -> None:
    manifest = build(classifier, resize=Stretch(), licence="MIT", tools={"exporter": "3"}).manifest

    assert (manifest.input.height, manifest.input.width) == (16, 16)
    assert manifest.input.resize == Stretch()
    assert manifest.source.licence == "MIT"
    assert manifest.source.file == "brought.onnx"
    assert set(manifest.tools) == {"onnx", "onnxruntime", "exporter"}
    assert manifest.features.layer == "d"


def test_the_figures_are_in_the_manifest(built: Path) -> None:
    parity = load_bundle(built).manifest.parity

    assert parity.outputs.largest < 1e-5
    assert parity.gradient is not None
    assert parity.feature_gradient is not None
    assert parity.gradient.errors.largest < 1e-5
    assert parity.feature_gradient.errors.largest < 1e-5
    assert parity.why_unchecked == ""


def test_the_card_is_written_from_the_manifest(built: Path) -> None:
    assert (built / "card.md").read_text() == card_of(load_bundle(built).manifest)


def test_the_same_build_gives_the_same_bytes(build: Build, classifier: ModelProto) -> None:
    """So that anybody can check what a committed bundle was made from."""
    first = build(classifier, directions=1)
    before = {path.name: path.read_bytes() for path in first.folder.iterdir()}

    second = build(classifier, directions=1, force=True)

    assert {path.name: path.read_bytes() for path in second.folder.iterdir()} == before


def test_an_exporters_notes_do_not_enter_the_bundle(build: Build, classifier: ModelProto) -> None:
    """PyTorch notes the stack trace of every operator, with the folders of whoever exported."""
    trace = onnx.StringStringEntryProto(
        key="pkg.torch.onnx.stack_trace", value="File /home/jane/secret/model.py"
    )
    for part in (classifier, classifier.graph, *classifier.graph.node, *classifier.graph.initializer):
        part.metadata_props.append(trace)
        part.doc_string = "by /home/jane"
    classifier.producer_name = "jane's exporter"

    bundle = build(classifier)

    for path in bundle.folder.iterdir():
        assert b"jane" not in path.read_bytes(), path.name


def test_a_classifier_without_large_tensors_has_no_weight_file(build: Build, tiny: ModelProto) -> None:
    bundle = build(tiny, classes=("r", "g", "b"))

    assert "weights.bin" not in bundle.manifest.files
    assert not (bundle.folder / "weights.bin").exists()


def test_an_operator_without_a_derivative_only_turns_the_gradient_off(
    build: Build, classifier: ModelProto
) -> None:
    """Occlusion and the other perturbation methods need the classifier alone."""
    with_operator(classifier, helper.make_node("Det", ["square"], ["factor"]))

    manifest = build(classifier, directions=1).manifest

    assert not manifest.gradient.available
    assert "operator Det" in manifest.gradient.reason
    assert "gradient.onnx" not in manifest.files
    assert {"classify.onnx", "weights.bin"} <= set(manifest.files)
    assert manifest.parity.gradient is None


def test_rounding_to_integers_only_turns_the_gradient_off(build: Build, classifier: ModelProto) -> None:
    """Else the gradient would be that of the ways around what is quantised, or 0, and be served as the model's."""
    for name, value in {"step": np.float32(0.1), "zero_point": np.uint8(128)}.items():
        classifier.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    classifier.graph.node[1].output[0] = "exact"
    classifier.graph.node.insert(
        2, helper.make_node("QuantizeLinear", ["exact", "step", "zero_point"], ["rounded"], name="quantise")
    )
    classifier.graph.node.insert(
        3, helper.make_node("DequantizeLinear", ["rounded", "step", "zero_point"], ["b"])
    )

    manifest = build(classifier, directions=1).manifest

    assert not manifest.gradient.available
    assert "operator QuantizeLinear (node 'quantise')" in manifest.gradient.reason
    assert manifest.features.available  # the last map lies behind


def test_a_loop_only_turns_the_gradient_off(build: Build, classifier: ModelProto) -> None:
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["goes"]),
            helper.make_node("Add", ["carried", "carried"], ["twice"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("count", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("goes", TensorProto.BOOL, []),
            helper.make_tensor_value_info("twice", TensorProto.FLOAT, None),
        ],
    )
    classifier.graph.initializer.append(numpy_helper.from_array(np.array(2), "trips"))
    classifier.graph.node[-1].output[0] = "before"
    classifier.graph.node.append(helper.make_node("Loop", ["trips", "", "before"], ["scores"], body=body))

    manifest = build(classifier).manifest

    assert not manifest.gradient.available
    assert "Loop" in manifest.gradient.reason


def test_a_wrong_gradient_is_withdrawn(
    build: Build, classifier: ModelProto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle with a silently wrong gradient is worse than one without."""

    def wrong(model: ModelProto) -> ModelProto:
        graph = gradient_graph(model)
        graph.graph.node[-1].op_type = "Neg"
        return graph

    monkeypatch.setattr("service.bundle.graphs.gradient_graph", wrong)

    manifest = build(classifier, directions=2).manifest

    assert not manifest.gradient.available
    assert "wrong: median relative error" in manifest.gradient.reason
    assert manifest.features.available
    assert "gradient.onnx" not in manifest.files


@pytest.mark.parametrize(
    ("operator", "constants"), [("Clip", (0.0, 1.0)), ("Pow", (2.2,)), ("Pow", (1 / 2.2,))]
)
def test_a_bend_at_black_or_white_does_not_make_a_gradient_wrong(
    build: Build, classifier: ModelProto, operator: str, constants: tuple[float, ...]
) -> None:
    """Black and white are frequent in pictures, and what a classifier does first may have two slopes there, or none."""
    names = [f"constant/{position}" for position in range(len(constants))]
    for name, value in zip(names, constants, strict=True):
        classifier.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    classifier.graph.node[0].input[0] = "guarded"
    classifier.graph.node.insert(0, helper.make_node(operator, ["pixels", *names], ["guarded"]))

    parity = build(classifier, directions=2).manifest.parity

    assert parity.gradient is not None
    assert parity.gradient.errors.largest < 1e-4


def test_white_pixels_that_tie_do_not_make_a_gradient_wrong(build: Build, classifier: ModelProto) -> None:
    """Every window over a white patch would have many maxima, and differences take the mean of its slopes."""
    classifier.graph.node[0].input[0] = "pooled"
    pool = helper.make_node("MaxPool", ["pixels"], ["pooled"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    classifier.graph.node.insert(0, pool)

    parity = build(classifier, directions=2).manifest.parity

    assert parity.gradient is not None
    assert parity.gradient.errors.largest < 1e-4


def test_what_the_oracle_cannot_compute_is_not_held_against_a_gradient(
    build: Build, classifier: ModelProto
) -> None:
    """ONNX's reference evaluator sums the wrong channels for LRN; the gradient of ONNX Runtime's is right."""
    classifier.graph.node[1].output[0] = "rectified"
    node = helper.make_node("LRN", ["rectified"], ["b"], size=5, alpha=1.0)
    classifier.graph.node.insert(2, node)

    manifest = build(classifier, directions=2).manifest

    assert manifest.gradient.available
    assert manifest.parity.gradient is None
    assert "reference evaluator gives logits that are off" in manifest.parity.why_unchecked


def test_a_gradient_that_does_not_run_is_withdrawn(
    build: Build, classifier: ModelProto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service would refuse the whole bundle when it starts."""

    def broken(model: ModelProto) -> ModelProto:
        graph = gradient_graph(model)
        graph.graph.node[-1].op_type = "Not"
        return graph

    monkeypatch.setattr("service.bundle.graphs.gradient_graph", broken)

    manifest = build(classifier).manifest

    assert not manifest.gradient.available
    assert "ONNX Runtime refuses the graph" in manifest.gradient.reason
    assert manifest.features.available


@pytest.mark.parametrize("directions", [0, 1])
def test_a_gradient_that_is_not_finite_is_withdrawn(
    build: Build, classifier: ModelProto, directions: int
) -> None:
    """The root of a ReLU has no slope at 0, and 0 times infinity is no number; every map would be refused."""
    classifier.graph.node[1].output[0] = "rectified"
    classifier.graph.node.insert(2, helper.make_node("Sqrt", ["rectified"], ["b"]))

    manifest = build(classifier, directions=directions).manifest

    assert not manifest.gradient.available
    assert "NaN or infinity" in manifest.gradient.reason
    assert manifest.features.available  # the last map lies behind


def test_a_switched_off_check_is_said_to_be_off(build: Build, classifier: ModelProto) -> None:
    parity = build(classifier, directions=0).manifest.parity

    assert parity.gradient is None
    assert parity.why_unchecked == "switched off"


def test_every_stage_is_reported(
    tmp_path: Path, recipe: Recipe, saved: Callable[..., Path], classifier: ModelProto
) -> None:
    """A large model takes minutes; silence looks like a hang."""
    stages: list[str] = []

    build_bundle(
        saved(classifier), recipe, tmp_path / "models", oracles=Oracles(directions=1), report=stages.append
    )

    assert [stage.split()[0] for stage in stages] == [
        "reading", "preparing", "differentiating", "outputs", "checking", "gradient:", "gradient", "writing",
    ]  # fmt: skip


def test_softmax_is_cut_off_when_told(build: Build, classifier: ModelProto) -> None:
    classifier.graph.node.append(helper.make_node("Softmax", ["scores"], ["p"], axis=1))
    classifier.graph.output[0].name = "p"

    bundle = build(classifier, ends_in_probabilities=True)

    [logits] = run(bundle.classify, image=IMAGE)
    assert abs(logits.sum(1) - 1).min() > 0.01
    assert bundle.manifest.parity.outputs.largest < 1e-6


# What somebody brings may be anything. Each is one clear error, and nothing is left on disk.


def with_operator(model: ModelProto, node: onnx.NodeProto) -> None:
    """Multiply the logits by *node* of a 2x2 matrix of the image's pixels."""
    for name, value in {"starts": [0, 0, 0], "ends": [1, 2, 2], "axes": [1, 2, 3], "shape": [0, -1]}.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    model.graph.node[-1].output[0] = "unscaled"
    model.graph.node.extend(
        [
            helper.make_node("Slice", ["pixels", "starts", "ends", "axes"], ["square"], name="slice"),
            node,
            helper.make_node("Reshape", ["factor", "shape"], ["column"], name="column"),
            helper.make_node("Mul", ["unscaled", "column"], ["scores"], name="scale"),
        ]
    )


def no_image(model: ModelProto) -> None:
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 768]))


def integer_image(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8


def string_input(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING


def two_inputs(model: ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("prompt", TensorProto.FLOAT, ["N", 3, 16, 16]))


def two_outputs(model: ModelProto) -> None:
    model.graph.output.append(helper.make_tensor_value_info("d", TensorProto.FLOAT, None))


def open_size(model: ModelProto) -> None:
    for axis, name in ((2, "H"), (3, "W")):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name


def custom_operator(model: ModelProto) -> None:
    model.graph.node[1].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))


def runtime_operator(model: ModelProto) -> None:
    """What a file holds that was optimised for one runtime."""
    model.graph.node[1].CopyFrom(
        helper.make_node("QuickGelu", ["a"], ["b"], name="gelu", domain="com.microsoft")
    )
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def old_opset(model: ModelProto) -> None:
    model.opset_import[0].version = 9


def five_axes(model: ModelProto) -> None:
    model.graph.input[0].CopyFrom(
        helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 3, 8, 16, 16])
    )


def spatial_output(model: ModelProto) -> None:
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("d", TensorProto.FLOAT, ["N", 16, 8, 8]))


def one_number(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("ReduceMean", ["scores"], ["mean"], keepdims=0))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("mean", TensorProto.FLOAT, []))


def class_index(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("ArgMax", ["scores"], ["index"], axis=1))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("index", TensorProto.INT64, None))


def decisions(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("IsNaN", ["scores"], ["decided"]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("decided", TensorProto.BOOL, None))


def no_classes(model: ModelProto) -> None:
    for tensor in model.graph.initializer:
        if tensor.name in {"w3", "b3"}:
            shape = (0, 16) if tensor.name == "w3" else (0,)
            tensor.CopyFrom(numpy_helper.from_array(np.zeros(shape, np.float32), tensor.name))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "C"


def sequence(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("SplitToSequence", ["scores"], ["each"], axis=1))
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
    model.graph.output[0].CopyFrom(helper.make_value_info("each", helper.make_sequence_type_proto(tensor)))


def no_nodes(model: ModelProto) -> None:
    del model.graph.node[:]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_image, r"pixels: float \[N,768\] is no image; expected float32 \[N,3,H,W\]"),
        (integer_image, r"pixels: uint8 .* is no image; expected float32"),
        (string_input, r"pixels: string .* is no image; expected float32"),
        (five_axes, "is no image"),
        (two_inputs, "has 2 inputs"),
        (two_outputs, r"has 2 outputs \(scores, d\); state which"),
        (open_size, "leaves height and width open; state the size"),
        (custom_operator, "com.example::Relu"),
        (runtime_operator, "standard"),
        (old_opset, "opset 9"),
        (spatial_output, r"expected float32 \[N, classes\]"),
        (one_number, r"the output is logits: float \[\]; expected float32 \[N, classes\]"),
        (class_index, r"the output is logits: int64 .*; expected float32 \[N, classes\]"),
        (decisions, r"the output is logits: bool .*; expected float32 \[N, classes\]"),
        (no_classes, "5 class names for 0 logits"),
        (sequence, "the output is a sequence_type; expected a tensor"),
        (no_nodes, "holds no graph"),
    ],
)
def test_a_file_that_is_no_classifier_is_refused(
    build: Build, classifier: ModelProto, tmp_path: Path, spoil: Callable[[ModelProto], None], message: str
) -> None:
    spoil(classifier)

    with pytest.raises(SaliserveError, match=message) as caught:
        build(classifier)

    assert isinstance(caught.value, (BundleBuildError, GraphError))
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize("length", [0, -1])
def test_a_length_that_is_none_is_open(build: Build, classifier: ModelProto, length: int) -> None:
    """Some exporters write 0 or -1 where they mean any length."""
    for axis in (0, 2, 3):
        classifier.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = length

    with pytest.raises(GraphError, match="leaves height and width open"):
        build(classifier)
    manifest = build(classifier, size=(16, 16)).manifest

    assert (manifest.input.height, manifest.input.width) == (16, 16)


def test_an_open_size_is_taken_from_the_recipe(build: Build, classifier: ModelProto) -> None:
    open_size(classifier)

    specification = build(classifier, size=(16, 24)).manifest.input

    assert (specification.height, specification.width) == (16, 24)


def test_one_of_several_outputs_is_taken_by_name(build: Build, classifier: ModelProto) -> None:
    two_outputs(classifier)

    assert build(classifier, output="scores").manifest.parity.outputs.largest < 1e-5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ("a", "b", "c")}, "3 class names for 5 logits"),
        ({"size": (32, 32)}, "not the stated size 32 x 32"),
        ({"output": "nowhere"}, "has no output 'nowhere'"),
        ({"ends_in_probabilities": True}, "ends in Gemm"),
        ({"feature_layer": "nowhere"}, "no tensor 'nowhere'"),
    ],
)
def test_a_recipe_that_does_not_fit_the_file_is_refused(
    build: Build, classifier: ModelProto, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(SaliserveError, match=message) as caught:
        build(classifier, **changes)

    assert isinstance(caught.value, (BundleBuildError, GraphError))
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize(("operator", "task"), [("Softmax", "multi_label"), ("Sigmoid", "single_label")])
def test_probabilities_of_another_task_are_refused(
    build: Build, classifier: ModelProto, operator: str, task: str
) -> None:
    """What is served as probability must be what the file called so."""
    classifier.graph.node.append(helper.make_node(operator, ["scores"], ["p"]))
    classifier.graph.output[0].name = "p"

    with pytest.raises(BundleBuildError, match=f"ends in {operator}, .* found task {task}"):
        build(classifier, ends_in_probabilities=True, task=task)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "../up"}, "name '../up' is not allowed"),
        ({"version": "1/2"}, "version '1/2' is not allowed"),
        ({"name": "a\n"}, "is not allowed"),
        ({"classes": ("a", "a")}, "repeat"),
        ({"classes": ()}, "at least 2 classes"),
    ],
)
def test_a_recipe_that_fits_nothing_is_refused_before_anything_is_read(
    recipe: Recipe, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(BundleBuildError, match=message):
        replace(recipe, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x0a\x12\xff\xff"])
def test_a_damaged_file_is_refused(tmp_path: Path, recipe: Recipe, content: bytes) -> None:
    (tmp_path / "damaged.onnx").write_bytes(content)

    with pytest.raises(GraphError, match=r"damaged\.onnx"):
        build_bundle(tmp_path / "damaged.onnx", recipe, tmp_path / "models")


def test_half_a_file_is_refused(
    tmp_path: Path, recipe: Recipe, saved: Callable[..., Path], classifier: ModelProto
) -> None:
    path = saved(classifier)
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(GraphError):
        build_bundle(path, recipe, tmp_path / "models")


def test_a_missing_file_is_refused(tmp_path: Path, recipe: Recipe) -> None:
    with pytest.raises(GraphError, match=r"there is no file absent\.onnx"):
        build_bundle(tmp_path / "absent.onnx", recipe, tmp_path / "models")


def test_missing_external_data_is_refused(tmp_path: Path, recipe: Recipe, classifier: ModelProto) -> None:
    onnx.save(
        classifier, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0
    )
    (tmp_path / "m.data").unlink()

    with pytest.raises(GraphError, match=r"external data of m\.onnx cannot be read"):
        build_bundle(tmp_path / "m.onnx", recipe, tmp_path / "models")


def test_external_data_beside_the_file_is_read(
    tmp_path: Path, recipe: Recipe, classifier: ModelProto
) -> None:
    onnx.save(
        classifier, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0
    )

    bundle = build_bundle(tmp_path / "m.onnx", recipe, tmp_path / "models", oracles=Oracles(directions=0))

    assert bundle.manifest.parity.outputs.largest < 1e-5


def test_two_gigabytes_are_refused_before_they_are_read(
    tmp_path: Path, recipe: Recipe, classifier: ModelProto
) -> None:
    """The sizes are declared; nothing of that size is on this disk."""
    tensor = classifier.graph.initializer[2]
    onnx.external_data_helper.set_external_data(tensor, "m.data", 0, 2**31)
    tensor.ClearField("raw_data")
    (tmp_path / "m.onnx").write_bytes(classifier.SerializeToString())

    with pytest.raises(GraphError, match=r"holds 2\.0 GiB"):
        build_bundle(tmp_path / "m.onnx", recipe, tmp_path / "models")


def test_two_gigabytes_are_refused_where_no_length_is_declared(
    tmp_path: Path, recipe: Recipe, classifier: ModelProto
) -> None:
    """The length of external data is optional; the shape of the tensor is not."""
    tensor = classifier.graph.initializer[2]
    onnx.external_data_helper.set_external_data(tensor, "m.data", 0)
    tensor.ClearField("raw_data")
    del tensor.dims[:]
    tensor.dims.extend([2**19, 2**10])
    (tmp_path / "m.onnx").write_bytes(classifier.SerializeToString())

    with pytest.raises(GraphError, match=r"holds 2\.0 GiB"):
        build_bundle(tmp_path / "m.onnx", recipe, tmp_path / "models")


def test_an_old_bundle_is_not_overwritten(build: Build, classifier: ModelProto) -> None:
    first = build(classifier)

    with pytest.raises(BundleBuildError, match="exists; choose another version"):
        build(classifier, licence="MIT")

    assert load_bundle(first.folder).sha256 == first.sha256
    assert build(classifier, licence="MIT", force=True).manifest.source.licence == "MIT"
