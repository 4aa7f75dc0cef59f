"""A compiled graph on a device, called with tensors that stay there."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnxruntime import OrtValue

from service.runtime.device import Device
from service.runtime.memory import DeviceFullError, is_out_of_memory

DeviceTensor: TypeAlias = OrtValue
"""A tensor in the memory of the device that computes; on the CPU provider, in host memory."""

Operand: TypeAlias = "DeviceTensor | NDArray[np.generic]"
"""An input of a program: already on the device, or small enough to go up with the call."""


class Program:
    """A graph compiled for one device.

    Calls share no state, so any number of threads may make them.

    Args:
        graph: A serialised model.
        device: Where it runs; its outputs stay there.
        weights: The file of tensors that the graph refers to; empty where it holds all its own.

    Examples:
        >>> import numpy as np
        >>> from service.graphs.programs import parse
        >>> from service.runtime.device import choose_device
        >>> graph = parse("double (float[N] x) => (float[N] y) { y = Add(x, x) }")
        >>> double = Program(graph.SerializeToString(), choose_device("cpu"))
        >>> double({"x": np.array([1.5, 2.0], np.float32)})["y"].numpy()
        array([3., 4.], dtype=float32)
    """

    def __init__(self, graph: bytes, device: Device, *, weights: bytes = b"") -> None:
        self._session = device.session(graph, weights=weights)
        self._device = device
        self.inputs = frozenset(node.name for node in self._session.get_inputs())
        self.shapes = {node.name: tuple(node.shape) for node in self._session.get_outputs()}
        self.outputs = tuple(self.shapes)

    def __call__(
        self, inputs: Mapping[str, Operand], outputs: Iterable[str] | None = None
    ) -> dict[str, DeviceTensor]:
        """Run the graph once.

        Args:
            inputs: Every input by name.
            outputs: Which outputs to return; all by default.

        Returns:
            The outputs by name, in the device's memory.

        Raises:
            DeviceFullError: The device's memory does not suffice.
        """
        names = self.outputs if outputs is None else tuple(outputs)
        binding = self._session.io_binding()
        for name, operand in inputs.items():
            if isinstance(operand, OrtValue):
                binding.bind_ortvalue_input(name, operand)
            else:
                binding.bind_cpu_input(name, np.ascontiguousarray(operand))
        for name in names:
            binding.bind_output(name, self._device.kind, self._device.index)
        try:
            self._session.run_with_iobinding(binding)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise DeviceFullError(str(error)) from error
            raise
        return dict(zip(names, binding.get_outputs(), strict=True))
