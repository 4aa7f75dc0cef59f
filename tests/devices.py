"""On which devices a test runs: on the CPU everywhere, on CUDA where there is a driver."""

import pytest

from service.runtime.device import has_cuda_driver

NEEDS_CUDA = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not has_cuda_driver(), reason="there is no CUDA driver on this machine: libcuda.so.1 cannot be loaded"
    ),
]

DEVICES = ("cpu", pytest.param("cuda", marks=NEEDS_CUDA))
"""For a fixture's *params*: whatever holds of a program on the CPU must hold of it on a GPU."""
