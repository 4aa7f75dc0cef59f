"""A graph whose digest is right may still be malicious: whoever writes a bundle writes both."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from service.bundle.audit import audit_graph
from service.bundle.manifest import Manifest, read_manifest
from service.errors import BundleError


@pytest.fixture
def altered(bundle: Path) -> Callable[..., tuple[Path, Manifest]]:
    """Change a graph of the bundle behind its digest's back."""
    manifest = read_manifest(bundle / "manifest.json")

    def alter(change: Callable[[ModelProto], object], name: str = "classify.onnx") -> tuple[Path, Manifest]:
        model = onnx.load(bundle / name, load_external_data=False)
        change(model)
        (bundle / name).write_bytes(model.SerializeToString())
        return bundle / name, manifest

    return alter


def large_tensor(model: ModelProto) -> TensorProto:
    tensor: TensorProto
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            return tensor
    pytest.fail("the graph has no external tensor")


def point_to(key: str, value: str) -> Callable[[ModelProto], None]:
    def change(model: ModelProto) -> None:
        next(entry for entry in large_tensor(model).external_data if entry.key == key).value = value

    return change


@pytest.mark.parametrize("name", ["classify.onnx", "gradient.onnx", "features.onnx"])
def test_the_graphs_that_we_build_are_accepted(
    altered: Callable[..., tuple[Path, Manifest]], name: str
) -> None:
    audit_graph(*altered(lambda _: None, name))


@pytest.mark.parametrize(
    "location", ["../weights.bin", "/etc/passwd", "other.bin", "", "./weights.bin", "weights.bin/../x"]
)
def test_a_tensor_in_any_other_file_is_refused(
    altered: Callable[..., tuple[Path, Manifest]], location: str
) -> None:
    """ONNX lets a tensor name any path; its bytes would come back as logits."""
    with pytest.raises(BundleError, match=r"keeps tensor .* expected 'weights\.bin'"):
        audit_graph(*altered(point_to("location", location)))


@pytest.mark.parametrize(
    ("key", "value"),
    [("offset", "99999999"), ("offset", "-4096"), ("offset", "1e3"), ("length", "99999999"), ("length", "")],
)
def test_a_tensor_beyond_the_end_of_the_weights_is_refused(
    altered: Callable[..., tuple[Path, Manifest]], key: str, value: str
) -> None:
    with pytest.raises(BundleError, match="which has 4608 bytes"):
        audit_graph(*altered(point_to(key, value)))


def test_a_constant_inside_a_node_is_looked_at_too(altered: Callable[..., tuple[Path, Manifest]]) -> None:
    """Weights are not the only tensors a graph holds; ONNX Runtime reads all of them."""

    def change(model: ModelProto) -> None:
        stolen = TensorProto()
        stolen.CopyFrom(large_tensor(model))
        stolen.name = "stolen"
        next(entry for entry in stolen.external_data if entry.key == "location").value = "/etc/passwd"
        model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=stolen))

    with pytest.raises(BundleError, match="keeps tensor 'stolen' in '/etc/passwd'"):
        audit_graph(*altered(change))


def test_a_graph_inside_control_flow_is_looked_at_too(altered: Callable[..., tuple[Path, Manifest]]) -> None:
    def change(model: ModelProto) -> None:
        inner = helper.make_graph([helper.make_node("Spy", [], ["z"], domain="com.example")], "inner", [], [])
        node = helper.make_node("If", ["logits"], ["unused"], then_branch=inner, else_branch=inner)
        model.graph.node.append(node)

    with pytest.raises(BundleError, match=r"uses operators of \['com\.example'\]"):
        audit_graph(*altered(change))


def test_a_branch_without_nodes_is_looked_at_too(altered: Callable[..., tuple[Path, Manifest]]) -> None:
    """A branch may give a tensor of its own, and compute nothing."""

    def change(model: ModelProto) -> None:
        stolen = TensorProto()
        stolen.CopyFrom(large_tensor(model))
        stolen.name = "stolen"
        next(entry for entry in stolen.external_data if entry.key == "location").value = "/etc/passwd"
        inner = helper.make_graph([], "inner", [], [], [stolen])
        node = helper.make_node("If", ["logits"], ["unused"], then_branch=inner, else_branch=inner)
        model.graph.node.append(node)

    with pytest.raises(BundleError, match="keeps tensor 'stolen' in '/etc/passwd'"):
        audit_graph(*altered(change))


@pytest.mark.parametrize("domain", ["com.microsoft", "ai.onnx.ml", "com.example"])
def test_an_operator_that_is_not_standard_is_refused(
    altered: Callable[..., tuple[Path, Manifest]], domain: str
) -> None:
    def change(model: ModelProto) -> None:
        model.graph.node[0].domain = domain

    with pytest.raises(BundleError, match="only standard ONNX operators"):
        audit_graph(*altered(change))


def test_a_function_of_its_own_is_refused(altered: Callable[..., tuple[Path, Manifest]]) -> None:
    def change(model: ModelProto) -> None:
        model.functions.append(
            helper.make_function("", "Relu", ["x"], ["y"], [], [helper.make_opsetid("", 20)])
        )

    with pytest.raises(BundleError, match="defines functions"):
        audit_graph(*altered(change))


def test_an_opset_that_the_manifest_does_not_state_is_refused(
    altered: Callable[..., tuple[Path, Manifest]],
) -> None:
    """The same operator means another thing in another opset."""

    def change(model: ModelProto) -> None:
        model.opset_import[0].version = 13

    with pytest.raises(BundleError, match=r"has opset \[13\]; the manifest says \d+"):
        audit_graph(*altered(change))


def test_a_graph_of_another_kind_is_refused(altered: Callable[..., tuple[Path, Manifest]]) -> None:
    def change(model: ModelProto) -> None:
        model.graph.output[0].name = "scores"

    with pytest.raises(BundleError, match=r"maps \['image'\] to \['scores'\]; expected"):
        audit_graph(*altered(change))


@pytest.mark.parametrize(
    ("value", "axis", "length"), [("image", 2, 32), ("image", 3, 32), ("image", 1, 1), ("logits", 1, 1000)]
)
def test_shapes_that_the_manifest_does_not_state_are_refused(
    altered: Callable[..., tuple[Path, Manifest]], value: str, axis: int, length: int
) -> None:
    """A wrong number of classes would name every class by its neighbour's label."""

    def change(model: ModelProto) -> None:
        [found] = [v for v in [*model.graph.input, *model.graph.output] if v.name == value]
        found.type.tensor_type.shape.dim[axis].dim_value = length

    with pytest.raises(BundleError, match=f"has '{value}' as float"):
        audit_graph(*altered(change))


def test_an_input_of_another_type_is_refused(altered: Callable[..., tuple[Path, Manifest]]) -> None:
    def change(model: ModelProto) -> None:
        model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE

    with pytest.raises(BundleError, match="has 'image' as double"):
        audit_graph(*altered(change))


def test_a_weight_that_is_listed_as_an_input_is_no_input(
    altered: Callable[..., tuple[Path, Manifest]],
) -> None:
    """Exporters of old files list every weight as an input with a default."""

    def change(model: ModelProto) -> None:
        weight = numpy_helper.to_array(model.graph.initializer[-1], base_dir="")
        name = model.graph.initializer[-1].name
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, weight.shape))

    audit_graph(*altered(change))


def test_a_file_that_is_no_model_is_refused(bundle: Path) -> None:
    """With a right digest, so that nothing but the content is wrong."""
    (bundle / "classify.onnx").write_bytes(b"\x00not a model")

    with pytest.raises(BundleError, match="is no ONNX model"):
        audit_graph(bundle / "classify.onnx", read_manifest(bundle / "manifest.json"))
