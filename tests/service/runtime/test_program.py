import numpy as np
import pytest

from service.errors import ProviderError
from service.graphs.programs import parse
from service.runtime.device import CPU, Device, choose_device
from service.runtime.program import Program

CPU_DEVICE = choose_device("cpu")


def compiled(text: str) -> Program:
    return Program(parse(text).SerializeToString(), CPU_DEVICE)


def test_outputs_chain_into_the_next_program_without_a_copy():
    """The second program reads the very memory that the first one wrote."""
    square = compiled("square (float[N] x) => (float[N] y) { y = Mul(x, x) }")
    negate = compiled("negate (float[N] x) => (float[N] y) { y = Neg(x) }")
    squared = square({"x": np.array([1, 2, 3], np.float32)})["y"]
    address = squared.data_ptr()
    assert negate({"x": squared})["y"].numpy().tolist() == [-1, -4, -9]
    assert squared.data_ptr() == address


def test_an_upload_to_the_cpu_is_used_where_it_lies():
    array = np.arange(4, dtype=np.float32)
    assert CPU_DEVICE.upload(array).data_ptr() == array.ctypes.data


def test_only_the_outputs_asked_for_are_returned():
    both = compiled("both (float[N] x) => (float[N] y, float[N] z) { y = Neg(x) z = Abs(x) }")
    answer = both({"x": np.array([-2], np.float32)}, outputs=["z"])
    assert {name: tensor.numpy().tolist() for name, tensor in answer.items()} == {"z": [2]}


def test_a_session_on_another_provider_than_demanded_is_an_error():
    """ONNX Runtime itself falls back to the CPU and only prints a line."""
    claims_cuda = Device("CUDAExecutionProvider", "cpu")
    with pytest.raises(
        ProviderError, match="fell back to CPUExecutionProvider; CUDAExecutionProvider was expected"
    ):
        claims_cuda.session(
            parse("same (float[N] x) => (float[N] y) { y = Identity(x) }").SerializeToString()
        )


def test_the_cpu_can_be_demanded():
    assert choose_device("cpu") == Device(CPU, "cpu")
