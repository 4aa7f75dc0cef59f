"""Guided backpropagation: the derivative with another rule for rectifiers. It is no derivative of anything."""

from onnx import ModelProto

from service.errors import GraphError
from service.graphs.differentiate import image_gradient
from service.graphs.step import RULES, Cotangents, Step


def guided_graph(model: ModelProto) -> ModelProto:
    """Write guided backpropagation to the image.

    As the gradient, but every ReLU passes back only what is positive: ``dx = max(dy, 0) 1[y > 0]`` [1]_. A ReLU6 and
    any other Clip from 0 on counts as a ReLU with a ceiling; other activations keep their derivative.

    Args:
        model: A classifier as :func:`service.graphs.prepare.prepare` returns it. It is not changed.

    Returns:
        A graph with the inputs and outputs of :func:`service.graphs.differentiate.gradient_graph`.

    Raises:
        UnsupportedOperatorError: An operator between image and logits has no derivative rule.
        GraphError: The classifier has no ReLU, so that there is nothing to guide.

    References:
        .. [1] Springenberg et al. "Striving for Simplicity: The All Convolutional Net", ICLR 2015 workshop,
           section 3.4. https://arxiv.org/abs/1412.6806
    """
    if not any(node.op_type in GUIDED_RULES for node in model.graph.node):
        raise GraphError(
            "the classifier has no ReLU, so guided backpropagation is its gradient; use the method gradient"
        )
    return image_gradient(model, RULES | GUIDED_RULES)


def guided_relu(step: Step) -> Cotangents:
    """``y = max(x, 0)``;  ``dx = max(dy, 0) 1[y > 0]``."""
    return _positive(RULES["Relu"](step))


def guided_clip(step: Step) -> Cotangents:
    """``y = min(max(x, low), high)``;  ``dx = max(dy, 0) 1[low < y < high]`` where low is 0, else as ever."""
    low = step.input(1).value if step.has(1) else None
    through = RULES["Clip"](step)
    return _positive(through) if low is not None and not low.any() else through


def _positive(cotangents: Cotangents) -> Cotangents:
    """Cut off what is negative; behind the gate, which is 0 or 1, that is the same as before it."""
    return tuple(None if one is None else one.apply("Relu") for one in cotangents)


GUIDED_RULES = {"Clip": guided_clip, "Relu": guided_relu}
"""What is put in the place of the derivative."""
