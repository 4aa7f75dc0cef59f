"""Names for the arrays that travel between the packages."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Picture: TypeAlias = NDArray[np.uint8]
"""``[height, width, 3]``, RGB in [0, 255], upright, as decoded."""

Image: TypeAlias = NDArray[np.float32]
"""``[3, H, W]``, RGB in [0, 1], at the model's input size."""

Logits: TypeAlias = NDArray[np.float32]
"""``[N, C]``, before any softmax or sigmoid."""

SaliencyMap: TypeAlias = NDArray[np.float32]
"""``[H, W]``, signed evidence for the target; larger means more."""

Segments: TypeAlias = NDArray[np.int64]
"""``[H, W]``, the segment number of every pixel, from 0."""
