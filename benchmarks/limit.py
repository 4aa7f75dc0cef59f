"""How close the model's own passes come to what this processor can do, and how work scales.

    python -m benchmarks.limit [--models resnet18 ...]

The peak is measured, not looked up: the best rate of a large float32 matrix product with the same threads, by
NumPy's library or by ONNX Runtime, whichever is faster here.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.__main__ import MODELS, prepare
from benchmarks.interleave import Times, interleave
from benchmarks.peers.saliserve import loaded
from benchmarks.results import FOLDER, Results, Row
from service.explain.methods import METHODS
from service.explain.subject import Subject
from service.graphs.programs import parse
from service.runtime.drive import drive
from service.runtime.model import LoadedModel
from service.runtime.plan import Direction, MicroBatch
from service.runtime.program import Program

_SIDE = 1536
_PRODUCT = "product (float[N,K] left, float[K,M] right) => (float[N,M] out) { out = MatMul (left, right) }"
_CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--models", nargs="+", default=MODELS)
    add("--rounds", type=int, default=5)
    add("--threads", type=int, default=2)
    add("--measure", choices=_CLOCKS, default="wall")
    add("--masks", nargs="+", type=int, default=[25, 50, 100, 200], help="of the scaling plot")
    add("--out", type=Path, default=FOLDER)
    given = parser.parse_args()
    results = Results(given.out)
    clock = _CLOCKS[given.measure]
    for name in given.models:
        if f"limit/{name}" in results:
            continue
        folder = given.out / "models" / name
        prepare(name, folder)
        model = loaded(folder, given.threads)
        row = passes(model, folder, given.rounds, given.threads, clock)
        row["masks"] = scaling(model, folder, given.masks, given.rounds, clock)
        results.save(
            f"limit/{name}", {"model": name, "measure": given.measure, "threads": given.threads, **row}
        )
        print(name, f"{row['gflop_per_s']:.0f} of {row['peak_gflop_per_s']:.0f} GFLOP/s", flush=True)


def passes(model: LoadedModel, folder: Path, rounds: int, threads: int, clock: Callable[[], float]) -> Row:
    """Time the matrix product, the bare passes of several batch sizes, and the other directions, in turn."""
    left = right = np.random.default_rng(0).random((_SIDE, _SIDE), np.float32)
    sizes = (1, 2, 4, 8)
    product = Program(parse(_PRODUCT).SerializeToString(), model.device)
    runs: dict[str, Callable[[], object]] = {
        "numpy": lambda: left @ right,
        "product": lambda: product({"left": left, "right": right}),
    }
    runs |= {f"forward {size}": passing(model, Direction.FORWARD, size) for size in sizes}
    runs |= {
        str(direction): passing(model, direction, 1)
        for direction in sorted(model.directions)
        if direction != Direction.FORWARD
    }
    with threadpool_limits(threads, "blas"):
        times = interleave(runs, rounds=rounds, clock=clock)
    per_image = {size: times[f"forward {size}"].median / size for size in sizes}
    flops = _flops(onnx.load(folder / "model.onnx"))
    return {
        "peak_gflop_per_s": 2 * _SIDE**3 / min(times[name].median for name in ("numpy", "product")) / 1e9,
        "gflop": flops / 1e9,
        "gflop_per_s": flops / min(per_image.values()) / 1e9,
        "forward_s": per_image,
        "gradient_s": _median(times, "gradient"),
        "features_s": _median(times, "features"),
        "spread": max(one.spread for one in times.values()),
    }


def scaling(
    model: LoadedModel, folder: Path, masks: list[int], rounds: int, clock: Callable[[], float]
) -> list[Row]:
    """Time RISE of several numbers of masks."""
    image: NDArray[np.float32] = np.load(folder / "image.npy")
    subject, method = Subject.of(model, image, target=0), METHODS["rise"]

    def rise(count: int) -> Callable[[], object]:
        parameters = method.parameters(masks=count, agreement=None, estimator="plain")
        return lambda: drive(method.plan(subject, parameters), model)

    times = interleave({str(count): rise(count) for count in masks}, rounds=rounds, clock=clock)
    return [{"masks": count, "seconds": times[str(count)].median} for count in masks]


def passing(model: LoadedModel, direction: Direction, size: int) -> Callable[[], object]:
    """Prepare one micro-batch of bare passes."""
    if direction is Direction.INCREMENTAL and model.incremental is not None:
        pieces = MicroBatch(model.incremental.sample(size), size, direction)
        return lambda: model.run(pieces)
    images = model.device.upload(np.full((size, 3, model.height, model.width), 0.5, np.float32))
    cotangent = None if direction is Direction.FORWARD else np.ones((size, len(model.classes)), np.float32)
    batch = MicroBatch(images, size, direction, cotangent)
    return lambda: model.run(batch)


def _median(times: Mapping[str, Times], name: str) -> float | None:
    return times[name].median if name in times else None


def _flops(model: onnx.ModelProto) -> float:
    """Two per multiplication of convolutions and matrix products, for one image; the rest is left out."""
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {
        value.name: [axis.dim_value or 1 for axis in value.type.tensor_type.shape.dim]
        for value in [*graph.input, *graph.value_info, *graph.output]
    }
    shapes |= {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    total = 0.0
    for node in graph.node:
        outputs = float(np.prod(shapes.get(node.output[0], [0])))
        if node.op_type == "Conv":
            total += 2 * outputs * float(np.prod(shapes[node.input[1]][1:]))
        elif node.op_type in {"Gemm", "MatMul"}:
            weight = shapes[node.input[1]]
            transposed = any(one.name == "transB" and one.i for one in node.attribute)
            total += 2 * outputs * weight[-1 if transposed else -2]
    return total


if __name__ == "__main__":
    main()
