"""Where to cut a classifier so that little of it has to be computed again for a window."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from onnx import ModelProto

from service.graphs.incremental.axis import Axis, Pieces
from service.graphs.incremental.known import MOVED, Known, Shape
from service.graphs.incremental.local import SLIDING, Local, local_operators
from service.graphs.tidy import read_by

WINDOWS: Final = 7
"""Windows per side of the image that the cuts are chosen for: what occlusion takes where nothing is said."""

COPIES: Final = 4
"""Times that a number is read and written when a piece is cut out, put together and put back."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Local operators between two tensors through which all that is known of the image passes.

    Args:
        source: The tensor that they begin with.
        target: The one that they end with.
        shape: Channels, height and width of the source.
        made: Likewise of the target.
        down: How to cut pieces of the source along the height.
        right: Along the width.
        work: What a pass over the whole source costs, in multiplications.
    """

    source: str
    target: str
    shape: Shape
    made: Shape
    down: Pieces
    right: Pieces
    work: float

    def saved(self, wanted: tuple[int, int]) -> float:
        """Estimate what is saved where only so many rows and columns of the target are made, in multiplications."""
        height, width = self.down.size(wanted[0]), self.right.size(wanted[1])
        channels, *whole = self.shape
        return self.work * (1 - height * width / math.prod(whole)) - _moved((channels, height, width))


@dataclass(frozen=True, slots=True)
class Cut:
    """A classifier in stretches that can be computed piece by piece, and a rest that needs the whole.

    Args:
        stretches: One after the other, from the image on.
        down: The local operators along the height.
        right: Along the width.
        work: What a whole pass costs, in multiplications.
    """

    stretches: tuple[Stretch, ...]
    down: Axis
    right: Axis
    work: float

    @property
    def shapes(self) -> list[Shape]:
        """Channels, height and width of the image, and of what every stretch gives."""
        return [self.stretches[0].shape, *(one.made for one in self.stretches)]

    @property
    def usual(self) -> tuple[int, int]:
        """Height and width, in pixels, of the windows that the cuts were chosen for."""
        _, height, width = self.stretches[0].shape
        return _usual(height), _usual(width)

    def share(self, height: int, width: int) -> float:
        """Estimate the work that a window costs, over that of a whole pass.

        Args:
            height: Of the window, in pixels.
            width: Likewise.
        """
        tall, wide = _grown(self.down, height), _grown(self.right, width)
        saved = sum(one.saved((tall[one.target], wide[one.target])) for one in self.stretches)
        return 1 - (saved - _moved(self.stretches[-1].made)) / self.work


def cut(model: ModelProto) -> Cut | None:
    """Choose the cuts with which a window costs the least.

    Args:
        model: A prepared classifier; its weights may lie elsewhere.

    Returns:
        None where nothing is gained: the first operators already look at everything.
    """
    known = Known.of(model)
    local = local_operators(model, known)
    _, height, width = known.shapes["image"]
    down, right = Axis.down(height, local.values()), Axis.right(width, local.values())
    tall, wide = _grown(down, _usual(height)), _grown(right, _usual(width))
    best: dict[str, tuple[float, tuple[Stretch, ...]]] = {"image": (0.0, ())}
    places = list(_places(model, known, local))
    for number, source in enumerate(places):
        saved, before = best[source]
        for one in _stretches(source, places[number + 1 :], known, local, (down, right)):
            way = saved + one.saved((tall[one.target], wide[one.target])), (*before, one)
            best[one.target] = max(best.get(one.target, way), way, key=lambda found: found[0])
    _, stretches = max(best.values(), key=lambda way: way[0] - (_moved(way[1][-1].made) if way[1] else 0))
    if not stretches:
        return None
    end = stretches[-1].target
    return Cut(stretches, down.until(end), right.until(end), sum(map(known.work, model.graph.node)))


def _usual(length: int) -> int:
    return max(length // WINDOWS, 1)


def _stretches(
    source: str,
    targets: Sequence[str],
    known: Known,
    local: Mapping[str, Local],
    axes: tuple[Axis, Axis],
) -> Iterator[Stretch]:
    """Give the stretches from one tensor to every later one."""
    down, right = (axis.pieces(source) for axis in axes)
    work, wanted = 0.0, set(targets)
    names = list(local)
    for name in names[names.index(source) + 1 if source in local else 0 :]:
        work += known.work(local[name].node)
        if name in wanted:
            shapes = known.shapes[source], known.shapes[name]
            yield Stretch(source, name, *shapes, down[name], right[name], work)


def _grown(axis: Axis, size: int) -> Mapping[str, int]:
    """Give the length of a window in every tensor, at the worst of its offsets to the strides of the network."""
    middle = (axis.length - size) // 2
    first = np.arange(middle, min(middle + 64, axis.length - size + 1))
    return {
        name: int((end - begin).max()) for name, (begin, end) in axis.touched(first, first + size).items()
    }


def _moved(shape: Shape) -> float:
    return float(MOVED * COPIES * math.prod(shape))


def _places(model: ModelProto, known: Known, local: Mapping[str, Local]) -> Iterator[str]:
    """Name the tensors at which the graph may be cut: all that is known of the image passes through each of them.

    Not those that only elementwise operators read: ONNX Runtime joins these to the operator before.
    """
    nodes = model.graph.node
    last = {
        name: place for place, node in enumerate(nodes) for name in read_by(node) - known.constants.keys()
    }
    joined = {name for name, one in local.items() if one.node.op_type not in SLIDING}
    apart = {name for node in nodes if node.output[0] not in joined for name in node.input}
    alive = {"image"}
    yield "image"
    for place, node in enumerate(nodes):
        alive |= {name for name in node.output if last.get(name, -1) > place}
        alive -= {name for name in alive if last.get(name, -1) <= place}
        if len(alive) == 1 and alive <= apart & local.keys():
            yield from alive
