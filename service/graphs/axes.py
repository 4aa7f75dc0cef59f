"""In which order an image's axes come: channels first, as PyTorch has them, or last, as TensorFlow has them."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

CHANNELS = 3
"""Images are RGB."""

AxisOrder: TypeAlias = Literal["NCHW", "NHWC"]
"""Batch, channels, height, width; or batch, height, width, channels."""

ORDERS: tuple[AxisOrder, ...] = get_args(AxisOrder)


def axis_orders(lengths: Sequence[object], stated: AxisOrder | None = None) -> tuple[AxisOrder, ...]:
    """Tell in which orders the axes of an image can come.

    A length that is fixed at 3 tells; where none does, open lengths leave the question open.

    Args:
        lengths: Of the axes of a tensor; what is no number is open.
        stated: The order, for a shape that does not tell.

    Returns:
        One order; none for what is no image, or not in the stated order; both where it has to be stated.

    Examples:
        >>> axis_orders(["N", 224, 224, 3])
        ('NHWC',)
        >>> axis_orders(["N", 1, 28, 28])
        ()
        >>> axis_orders(["a", "b", "c", "d"]), axis_orders(["a", "b", "c", "d"], "NCHW")
        (('NCHW', 'NHWC'), ('NCHW',))
    """
    channels = {order: lengths[order.index("C")] for order in ORDERS} if len(lengths) == len("NCHW") else {}
    told = tuple(order for order, length in channels.items() if length == CHANNELS)
    possible = tuple(order for order, length in channels.items() if not isinstance(length, int))
    if stated is not None:
        return (stated,) if stated in told + possible else ()
    return told or possible
