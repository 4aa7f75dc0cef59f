"""What the class activation methods share: one pass to the feature layer and back, then enlarge."""

import numpy as np
from numpy.typing import NDArray

from service.explain.explanation import Explanation
from service.explain.method import Parameters
from service.explain.subject import Subject
from service.runtime.plan import Direction, MicroBatch, Plan, Stage
from service.runtime.program import Program


class ClassActivationParameters(Parameters):
    """Class activation methods have no options; the feature layer is recorded in the model's manifest."""


def class_activation(
    subject: Subject, program: Program, direction: Direction = Direction.FEATURES
) -> Plan[Explanation]:
    """Explain by the last feature maps, weighed by *program* and enlarged bilinearly."""
    model = subject.model
    grid_height, grid_width = model.grid_size(direction)
    enlarge = {
        "rows": bilinear(model.height, grid_height),
        "columns": bilinear(model.width, grid_width).T,
    }
    answer = yield MicroBatch(
        images=subject.image,
        size=1,
        direction=direction,
        cotangent=subject.cotangents(1),
        answer=Stage(program, enlarge),
    )
    return Explanation(map=answer["map"].numpy(), forwards=1)


def bilinear(size: int, cells: int) -> NDArray[np.float32]:
    """Return the matrix that enlarges a line of *cells* values to *size* by linear interpolation.

    Centres are aligned (``align_corners=False``), values beyond the outer centres are repeated.

    Returns:
        ``[size, cells]``; every row sums to 1.

    Examples:
        >>> bilinear(4, 2)
        array([[1.  , 0.  ],
               [0.75, 0.25],
               [0.25, 0.75],
               [0.  , 1.  ]], dtype=float32)
    """
    position = np.clip((np.arange(size) + 0.5) * cells / size - 0.5, 0, cells - 1)
    below = np.minimum(position.astype(np.int64), max(cells - 2, 0))
    above = np.minimum(below + 1, cells - 1)
    matrix = np.zeros((size, cells), np.float32)
    np.add.at(matrix, (np.arange(size), below), (1 - (position - below)).astype(np.float32))
    np.add.at(matrix, (np.arange(size), above), (position - below).astype(np.float32))
    return matrix
