"""What measures cost beforehand."""

from collections.abc import Collection

from service.faithfulness.measures.luck import luck_forwards
from service.faithfulness.measures.magnitude_plan import magnitude_forwards
from service.faithfulness.measures.pixels import pixel_forwards
from service.faithfulness.protocol import Protocol


def measured_forwards(protocol: Protocol, names: Collection[str]) -> int:
    """Count the forward passes of the measures that need nothing but the map.

    Examples:
        >>> from service.faithfulness.protocol import FAST
        >>> measured_forwards(FAST, ["magnitude", "pixels"])
        147
    """
    operators = len(protocol.operators)
    magnitude = magnitude_forwards(operators) if "magnitude" in names else 0
    pixels = pixel_forwards(operators, protocol.steps) if "pixels" in names else 0
    luck = luck_forwards(operators, protocol.steps) if "luck" in names else 0
    return magnitude + pixels + luck
