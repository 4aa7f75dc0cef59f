"""The device that computes, and which ONNX Runtime execution provider drives it."""

import ctypes
import logging
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime import InferenceSession, OrtValue, SessionOptions

from service.bundle.manifest import WEIGHTS
from service.errors import ProviderError
from service.graphs.programs import parse

log = logging.getLogger(__name__)

ProviderPreference = Literal["auto", "cuda", "cpu"]

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"

# TF32 rounds the inputs of a convolution to 10 bits; gradients would no longer agree with float32.
_CUDA_OPTIONS = {"use_tf32": "0"}


@dataclass(frozen=True, slots=True)
class Device:
    """One processor with its memory.

    Args:
        provider: The execution provider that every session on this device must use.
        kind: ONNX Runtime's name of the memory, ``cpu`` or ``cuda``.
        index: Which of several devices of that kind.
        threads: Of a session on the CPU; 0 means one per core.
    """

    provider: str
    kind: Literal["cpu", "cuda"]
    index: int = 0
    threads: int = 0

    def upload(self, array: NDArray[np.generic]) -> OrtValue:
        """Copy *array* to the device; on the CPU it is used where it lies."""
        return OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), self.kind, self.index)

    def session(self, graph: bytes, *, weights: bytes = b"") -> InferenceSession:
        """Compile a graph for this device.

        Args:
            graph: A serialised model.
            weights: The file of tensors that it refers to. ONNX Runtime copies them; were it given the file's
                name, it would keep the file mapped, and whoever wrote to the file would change the answers of a
                running service, or by shortening it kill the process.

        Raises:
            ProviderError: ONNX Runtime fell back to another provider.
        """
        options = SessionOptions()
        options.intra_op_num_threads = self.threads
        # A pool whose threads spin while idle takes the cores from the session that works: with three
        # sessions on two cores, EfficientNet-Lite0 takes half as long again.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.use_deterministic_compute = True
        options.log_severity_level = 3
        providers = [(CUDA, _CUDA_OPTIONS | {"device_id": str(self.index)})] if self.kind == "cuda" else [CPU]
        if weights:
            options.add_external_initializers_from_files_in_memory([WEIGHTS], [weights], [len(weights)])
        session = InferenceSession(graph, options, providers=providers)
        # get_available_providers() lists what was compiled in; only a session knows what it runs on.
        found = session.get_providers()[0]
        if found != self.provider:
            raise ProviderError(
                f"ONNX Runtime fell back to {found}; {self.provider} was expected. Check the driver, CUDA 13 and "
                "cuDNN 9, or set SALISERVE_PROVIDER=cpu."
            )
        return session


def choose_device(
    preference: ProviderPreference = "auto", *, allow_fallback: bool = False, threads: int = 0
) -> Device:
    """Pick the device: CUDA where there is one, else the CPU, and say which in the log.

    Args:
        preference: ``auto`` takes CUDA if it works, else the CPU; ``cuda`` and ``cpu`` insist.
        allow_fallback: With ``cuda``, take the CPU after all, with an error in the log, if it does not work.
        threads: Of a session on the CPU; 0 means one per core.

    Raises:
        ProviderError: CUDA was demanded, does not work, and no fallback is allowed.

    Examples:
        >>> choose_device("cpu").provider
        'CPUExecutionProvider'
    """
    cpu, cuda = Device(CPU, "cpu", threads=threads), Device(CUDA, "cuda", threads=threads)
    if preference == "cpu":
        return cpu
    has_driver = has_cuda_driver()
    if preference == "auto" and not has_driver:
        log.info("no CUDA driver on this machine: computing on the CPU")
        return cpu
    try:
        _try_cuda(cuda, has_driver=has_driver)
    except ProviderError as error:
        if preference == "cuda" and not allow_fallback:
            raise
        log.error("CUDA does not work, computing on the CPU instead: %s", error.detail)  # noqa: TRY400
        return cpu
    log.info("computing on CUDA device %d", cuda.index)
    return cuda


def _try_cuda(cuda: Device, *, has_driver: bool) -> None:
    if not has_driver:
        raise ProviderError(
            "There is no CUDA driver on this machine: libcuda.so.1 cannot be loaded. Install it, give the container "
            "its GPU, or set SALISERVE_PROVIDER=cpu."
        )
    ort.preload_dlls()  # CUDA and cuDNN may lie in site-packages, where the loader does not look
    cuda.session(_identity_graph())


def has_cuda_driver() -> bool:
    """Say whether this machine has one.

    Asking ONNX Runtime instead would print two errors on every machine without a GPU.
    """
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _identity_graph() -> bytes:
    graph: bytes = parse("identity (float[N] x) => (float[N] y) { y = Identity(x) }").SerializeToString()
    return graph
