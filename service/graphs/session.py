"""ONNX Runtime as a tool for building: open a graph, have it folded, turn its errors into ours."""

import tempfile
from pathlib import Path

import onnx
import onnxruntime
from onnx import ModelProto
from onnxruntime.capi import onnxruntime_pybind11_state as binding

from service.errors import GraphError

RUNTIME_ERRORS = (
    binding.EPFail,
    binding.Fail,
    binding.InvalidArgument,
    binding.InvalidGraph,
    binding.InvalidProtobuf,
    binding.NoModel,
    binding.NoSuchFile,
    binding.NotImplemented,
    binding.RuntimeException,
    RuntimeError,
)
"""What ONNX Runtime raises about a graph; the last for a result of a type that numpy lacks. They share no base but
Exception."""

THREADS = 2
"""Building happens beside other work; two threads are enough for a handful of passes."""


def open_session(model: ModelProto, *, optimise: bool) -> onnxruntime.InferenceSession:
    """Open a graph on the CPU.

    Args:
        model: The graph with its weights, below 2 GiB.
        optimise: Whether ONNX Runtime may rewrite it. Off, every tensor keeps its name and value.

    Returns:
        The session.

    Raises:
        GraphError: ONNX Runtime refuses the graph.
    """
    options = _options()
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return _open(model.SerializeToString(), options)


def fold(model: ModelProto) -> ModelProto:
    """Let ONNX Runtime fold constants, batch normalisations and dead ends, at its BASIC level.

    BASIC is the highest level that promises standard operators only.

    Args:
        model: The graph with its weights, below 2 GiB.

    Returns:
        The folded graph.

    Raises:
        GraphError: ONNX Runtime refuses the graph.
    """
    options = _options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "folded.onnx"
        options.optimized_model_filepath = str(path)
        _open(model.SerializeToString(), options)
        return onnx.load(path)


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 4  # failures arrive as exceptions; nothing else is news while building
    return options


def _open(source: bytes, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except RUNTIME_ERRORS as error:
        raise GraphError(f"ONNX Runtime refuses the graph: {error}") from error
