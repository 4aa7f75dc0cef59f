import importlib
import pkgutil

import pytest

from service.graphs import programs
from service.graphs.programs import parse
from tests.kernels import nodes_without_cuda_kernel

TEXTS = {
    f"{module.name}.{name}": text
    for module in pkgutil.iter_modules(programs.__path__)
    for name, text in vars(importlib.import_module(f"{programs.__name__}.{module.name}")).items()
    if name.isupper() and not name.startswith("_") and isinstance(text, str) and "=>" in text
}


@pytest.mark.parametrize("name", TEXTS)
def test_every_node_of_a_program_has_a_cuda_kernel(name: str):
    """One node without would copy the whole batch to the host and back, and nothing would say so."""
    assert nodes_without_cuda_kernel(parse(TEXTS[name])) == []


def test_the_check_finds_an_operator_without_a_kernel():
    shift = parse('shift (uint32[N] x) => (uint32[N] y) { y = BitShift <direction: string = "LEFT"> (x, x) }')
    assert nodes_without_cuda_kernel(shift)
