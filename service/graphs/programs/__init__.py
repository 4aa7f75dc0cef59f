"""Model-free graphs that run on the device before and after the classifier.

Each file holds one idea, written in ONNX's own textual syntax. Programs that make images
have the output ``images``; those that reduce the classifier's answers take its outputs by
name. Sums are carried in float64, so that a map does not depend on how its samples
were split into micro-batches.
"""

from onnx import ModelProto
from onnx import checker as onnx_checker
from onnx import parser as onnx_parser

_HEADER = '<ir_version: 10, opset_import: ["" : 18]>\n'


def parse(text: str) -> ModelProto:
    """Read one program in ONNX textual syntax, and check it.

    Args:
        text: ``name (inputs) => (outputs) <initialisers> { nodes }``.

    Returns:
        A checked model at operator set 18: the newest for which ONNX Runtime has every CUDA kernel that is used.

    Examples:
        >>> parse("twice (float[N] x) => (float[N] y) { y = Add(x, x) }").graph.name
        'twice'
    """
    model: ModelProto = onnx_parser.parse_model(_HEADER + text)
    onnx_checker.check_model(model, full_check=True)
    return model
