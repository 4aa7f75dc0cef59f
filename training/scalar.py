"""What of a network's answer is differentiated to make a saliency map."""

import torch
from torch import Tensor
from torch.nn import functional

from training.config import Scalar


def scalar_of(logits: Tensor, labels: Tensor, scalar: Scalar) -> Tensor:
    """Pick what is differentiated.

    The loss is offered for comparison only: for a confident image its gradient vanishes and a map of it
    ranks rounding noise.

    Args:
        logits: ``[N, C]``.
        labels: ``[N]``.
        scalar: Which one.

    Returns:
        ``[N]``.

    Examples:
        >>> scalar_of(torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([0]), "margin")
        tensor([1.])
    """
    own = logits.gather(1, labels[:, None])[:, 0]
    match scalar:
        case "logit":
            return own
        case "margin":
            others = logits.scatter(1, labels[:, None], -torch.inf)
            return own - others.amax(1)
        case "log_probability":
            return functional.log_softmax(logits, 1).gather(1, labels[:, None])[:, 0]
        case "loss":
            return functional.cross_entropy(logits, labels, reduction="none")
