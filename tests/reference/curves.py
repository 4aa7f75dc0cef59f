"""Deletion from both ends, one image after the other, in float64."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float64]


def curve(
    probability: Callable[[Image], float],
    image: Image,
    replacement: Image,
    saliency: NDArray[np.float64],
    *,
    side: int,
    steps: int,
    most_relevant_first: bool,
) -> list[float]:
    """Watch the probability while square cells of *side* pixels are replaced, for a map without ties."""
    _, height, width = image.shape
    corners = [(top, left) for top in range(0, height, side) for left in range(0, width, side)]

    def relevance(corner: tuple[int, int]) -> float:
        top, left = corner
        return sum(
            float(saliency[row, column])
            for row in range(top, top + side)
            for column in range(left, left + side)
        )

    corners.sort(key=relevance, reverse=most_relevant_first)
    heights = []
    for step in range(steps + 1):
        shown = image.copy()
        for top, left in corners[: round(step * len(corners) / steps)]:
            for row in range(top, top + side):
                for column in range(left, left + side):
                    for channel in range(3):
                        shown[channel, row, column] = replacement[channel, row, column]
        heights.append(probability(shown))
    return heights


def area(heights: list[float], cells: int) -> float:
    """Add up the trapezoids over the removed fraction."""
    steps = len(heights) - 1
    removed = [round(step * cells / steps) / cells for step in range(steps + 1)]
    return sum(
        (removed[step + 1] - removed[step]) * (heights[step] + heights[step + 1]) / 2 for step in range(steps)
    )
