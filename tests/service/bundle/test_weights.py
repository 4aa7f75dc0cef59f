"""Large tensors are stored once, found again, and the file is as small as that makes it."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from service.bundle.weights import PAGE_BYTES, SMALLEST_BYTES, write_graphs


def adding(**tensors: NDArray[np.generic]) -> ModelProto:
    """A graph that gives its own weights back, one output per weight."""
    nodes = [helper.make_node("Identity", [name], [f"{name}_out"]) for name in tensors]
    outputs = [
        helper.make_tensor_value_info(
            f"{name}_out", helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in tensors.items()
    ]
    weights = [numpy_helper.from_array(array, name) for name, array in tensors.items()]
    graph = helper.make_graph(nodes, "g", [], outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def ramp(length: int, start: float = 0) -> NDArray[np.float32]:
    return np.arange(start, start + length, dtype=np.float32)


def external(model: ModelProto) -> dict[str, dict[str, str]]:
    return {
        tensor.name: {entry.key: entry.value for entry in tensor.external_data}
        for tensor in model.graph.initializer
        if tensor.data_location == TensorProto.EXTERNAL
    }


def test_onnx_runtime_reads_back_every_weight_from_disk(tmp_path: Path) -> None:
    """Of every type, size and alignment: ONNX Runtime is what will read them, so it is the oracle."""
    tensors: dict[str, NDArray[np.generic]] = {
        "large": ramp(3000),
        "page": ramp(PAGE_BYTES // 4, start=7),
        "odd": np.arange(1025, dtype=np.uint8),
        "indices": np.arange(500, dtype=np.int64),
        "small": ramp(3),
    }

    write_graphs({"a.onnx": adding(**tensors)}, tmp_path, "weights.bin")

    session = onnxruntime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    for (name, expected), found in zip(tensors.items(), session.run(None, {}), strict=True):
        np.testing.assert_array_equal(found, expected, err_msg=name)


def test_a_tensor_of_several_graphs_is_stored_once(tmp_path: Path) -> None:
    """Told apart by content: the second graph calls it differently."""
    graphs = {"a.onnx": adding(x=ramp(4096)), "b.onnx": adding(y=ramp(4096), z=ramp(4096, start=1))}

    write_graphs(graphs, tmp_path, "weights.bin")

    assert (tmp_path / "weights.bin").stat().st_size == 2 * 4096 * 4
    assert external(graphs["a.onnx"])["x"] == external(graphs["b.onnx"])["y"]
    assert (tmp_path / "a.onnx").stat().st_size < 1000


def test_offsets_are_whole_pages(tmp_path: Path) -> None:
    """Only then can the operating system map a tensor without a copy."""
    graphs = {"a.onnx": adding(x=ramp(300), y=ramp(301), z=ramp(302))}

    write_graphs(graphs, tmp_path, "weights.bin")

    offsets = [int(entry["offset"]) for entry in external(graphs["a.onnx"]).values()]
    assert offsets == [0, PAGE_BYTES, 2 * PAGE_BYTES]


def test_a_tensor_below_the_limit_stays_in_its_graph(tmp_path: Path) -> None:
    at_limit, below = ramp(SMALLEST_BYTES // 4), ramp(SMALLEST_BYTES // 4 - 1)
    graphs = {"a.onnx": adding(x=at_limit, y=below)}

    written = write_graphs(graphs, tmp_path, "weights.bin")

    assert list(external(graphs["a.onnx"])) == ["x"]
    assert written == ("a.onnx", "weights.bin")


def test_without_large_tensors_there_is_no_weight_file(tmp_path: Path) -> None:
    written = write_graphs({"a.onnx": adding(x=ramp(3))}, tmp_path, "weights.bin")

    assert written == ("a.onnx",)
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]


def test_weights_that_are_not_raw_are_written_as_well(tmp_path: Path) -> None:
    """Protobuf has a second way to hold floats, which some exporters use."""
    model = adding(x=ramp(512))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.float_data.extend(ramp(512).tolist())

    write_graphs({"a.onnx": model}, tmp_path, "weights.bin")

    assert (tmp_path / "weights.bin").read_bytes() == ramp(512).tobytes()
    loaded = onnx.load(tmp_path / "a.onnx")
    np.testing.assert_array_equal(numpy_helper.to_array(loaded.graph.initializer[0]), ramp(512))


def test_tensors_of_equal_bytes_and_other_shape_share_them(tmp_path: Path) -> None:
    """A flattened weight of the gradient graph is the same bytes; its graph keeps the shape."""
    graphs = {"a.onnx": adding(x=ramp(512).reshape(2, 256)), "b.onnx": adding(x=ramp(512))}

    write_graphs(graphs, tmp_path, "weights.bin")

    assert (tmp_path / "weights.bin").stat().st_size == 512 * 4
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    assert session.run(None, {})[0].shape == (2, 256)


def test_the_same_graphs_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_graphs({"a.onnx": adding(x=ramp(512), y=ramp(700))}, tmp_path / name, "weights.bin")

    for file in ("a.onnx", "weights.bin"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_bundle_is_no_larger_than_its_weights_stored_once(built: Path) -> None:
    """Three graphs, one copy: the weights of at least 1 KiB of the small classifier are one tensor of 4608 bytes."""
    assert (built / "weights.bin").stat().st_size == 16 * 8 * 3 * 3 * 4
    for name in ("classify.onnx", "gradient.onnx", "features.onnx"):
        model = onnx.load(built / name, load_external_data=False)
        assert [entry["location"] for entry in external(model).values()] == ["weights.bin"], name


@pytest.mark.parametrize("name", ["classify.onnx", "gradient.onnx", "features.onnx"])
def test_every_graph_of_a_bundle_fails_without_the_weight_file(bundle: Path, name: str) -> None:
    """So the weights really come from there, and not from a copy inside."""
    (bundle / "weights.bin").unlink()

    with pytest.raises(Exception, match=r"weights\.bin"):
        onnxruntime.InferenceSession(bundle / name, providers=["CPUExecutionProvider"])
